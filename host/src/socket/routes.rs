//! What the control socket answers.

use super::messages::{
    Changed, DatabaseStatus, Failure, Info, List, Listed, Named, Position, Register, Sync,
    SyncStatus, Synced, VerifyFailure, VerifyStatus, VerifySuccess,
};
use crate::config::{self, Database, Findings, Replica};
use crate::plan::Registered;
use crate::replicate::{Ask, Change, Phase, Refusal, Report, Standing, Supervisor};
use crate::verify::Verified;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::oneshot;
use tokio::time::timeout;

struct Served {
    supervisor: Supervisor,
    registered: Registered,
    began: Instant,
    began_at: SystemTime,
}

type Shared = State<Arc<Served>>;

pub fn routes(supervisor: Supervisor, registered: Registered) -> Router {
    let served = Served {
        supervisor,
        registered,
        began: Instant::now(),
        began_at: SystemTime::now(),
    };
    Router::new()
        .route("/start", post(start))
        .route("/stop", post(stop))
        .route("/register", post(register))
        .route("/unregister", post(unregister))
        .route("/sync", post(sync))
        .route("/txid", get(txid))
        .route("/list", get(list))
        .route("/info", get(info))
        .route("/debug/sync-status", get(sync_status))
        .with_state(Arc::new(served))
}

/// Why a request is not done, with its status.
struct Refused(StatusCode, Failure);

impl Refused {
    fn new(status: StatusCode, error: impl Into<String>) -> Refused {
        let error = error.into();
        let details = None;
        Refused(status, Failure { error, details })
    }

    fn request(error: impl Into<String>) -> Refused {
        Refused::new(StatusCode::BAD_REQUEST, error)
    }

    fn failure(error: impl Into<String>) -> Refused {
        Refused::new(StatusCode::INTERNAL_SERVER_ERROR, error)
    }

    fn late(error: impl Into<String>) -> Refused {
        Refused::new(StatusCode::GATEWAY_TIMEOUT, error)
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        Refused::failure(refusal.to_string())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(self.1)).into_response()
    }
}

type Answer<T> = Result<Json<T>, Refused>;

/// Whatever the request says of its content's type.
fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|error| {
        let failure = Failure {
            error: "invalid request body".to_owned(),
            details: Some(error.to_string()),
        };
        Refused(StatusCode::BAD_REQUEST, failure)
    })
}

fn path(text: &str) -> Result<PathBuf, Refused> {
    if text.is_empty() {
        return Err(Refused::request("path required"));
    }
    config::database_path(text, &|name| std::env::var(name).ok()).map_err(Refused::request)
}

/// The outcome, unless it does not come in time.
async fn within<T>(
    seconds: u64,
    what: &str,
    outcome: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Refused> {
    match timeout(Duration::from_secs(seconds), outcome).await {
        Ok(outcome) => Ok(outcome?),
        Err(_) => Err(Refused::late(format!("{what} after {seconds} s"))),
    }
}

async fn start(State(served): Shared, body: Bytes) -> Answer<Changed> {
    let named: Named = read(&body)?;
    let database = path(&named.path)?;
    let status = match served.supervisor.start(&database)? {
        Change::Made => "started",
        Change::None => "already_running",
    };
    let report = served.supervisor.report(&database)?;
    Ok(changed(status, named.path, Some(report.txid)))
}

async fn stop(State(served): Shared, body: Bytes) -> Answer<Changed> {
    let named: Named = read(&body)?;
    let database = path(&named.path)?;
    let stopping = served.supervisor.stop(&database);
    let status = match within(named.timeout, "still stopping", stopping).await? {
        Change::Made => "stopped",
        Change::None => "already_stopped",
    };
    let report = served.supervisor.report(&database)?;
    Ok(changed(status, named.path, Some(report.txid)))
}

async fn register(State(served): Shared, body: Bytes) -> Answer<Changed> {
    let wanted: Register = read(&body)?;
    let path = path(&wanted.path)?;
    if wanted.replica_url.is_empty() {
        return Err(Refused::request("replica_url required"));
    }
    if served.supervisor.report(&path).is_ok() {
        return Ok(changed("already_registered", wanted.path, None));
    }
    let replica = replica(&wanted.replica_url)?;
    let database = Database {
        upkeep: served.registered.upkeep.clone(),
        verify: served.registered.verify,
        require_fencing: served.registered.require_fencing,
        ..Database::new(path, replica)
    };
    let status = match served.supervisor.add(database) {
        Ok(Change::Made) => "registered",
        Ok(Change::None) => "already_registered",
        Err(taken @ Refusal::ReplicaTaken(_)) => return Err(Refused::request(taken.to_string())),
        Err(other) => return Err(other.into()),
    };
    Ok(changed(status, wanted.path, None))
}

fn replica(url: &str) -> Result<Replica, Refused> {
    let invalid = |text: String| Refused::request(format!("invalid replica url: {text}"));
    if !config::is_replica_url(url) {
        return Err(invalid(
            "it has no scheme, like s3://BUCKET/PATH".to_owned(),
        ));
    }
    let findings = Findings::on_the_command_line();
    let replica = Replica::from_url(url, &|name| std::env::var(name).ok(), &findings);
    let lines = |findings: Vec<config::Finding>| {
        let lines: Vec<_> = findings.iter().map(ToString::to_string).collect();
        lines.join("; ")
    };
    for warning in findings.finish().map_err(|errors| invalid(lines(errors)))? {
        tracing::warn!("{warning}");
    }
    replica.ok_or_else(|| invalid("it is not understood".to_owned()))
}

async fn unregister(State(served): Shared, body: Bytes) -> Answer<Changed> {
    let named: Named = read(&body)?;
    let database = path(&named.path)?;
    if served.supervisor.report(&database).is_err() {
        return Ok(changed("already_unregistered", named.path, Some(0)));
    }
    // Goes on when nobody waits any more.
    let supervisor = served.supervisor.clone();
    let removing = tokio::spawn(async move { supervisor.remove(&database).await });
    let removed = async { removing.await.unwrap_or(Err(Refusal::Closing)) };
    let txid = within(named.timeout, "still stopping", removed).await?;
    Ok(changed("unregistered", named.path, Some(txid)))
}

fn changed(status: &str, path: String, txid: Option<u64>) -> Json<Changed> {
    Json(Changed {
        status: status.to_owned(),
        path,
        txid,
    })
}

async fn sync(State(served): Shared, body: Bytes) -> Answer<Synced> {
    let wanted: Sync = read(&body)?;
    let database = path(&wanted.path)?;
    let before = served.supervisor.report(&database)?;
    let asks = served.supervisor.asks(&database)?;
    let gone = || Refused::failure("the database was stopped meanwhile");
    let answered = async {
        if wanted.wait {
            let (answer, answered) = oneshot::channel();
            asks.send(Ask::WhenShipped(answer))
                .await
                .map_err(|_| gone())?;
            let shipped = answered.await.map_err(|_| gone())?;
            shipped.map_err(Refused::failure)
        } else {
            let (answer, answered) = oneshot::channel();
            asks.send(Ask::Look(answer)).await.map_err(|_| gone())?;
            answered.await.map_err(|_| gone())
        }
    };
    let standing: Standing = match timeout(Duration::from_secs(wanted.timeout), answered).await {
        Ok(standing) => standing?,
        Err(_) => {
            let why = served.supervisor.report(&database)?.error;
            let why = why.map_or_else(String::new, |why| format!(": {why}"));
            let text = format!(
                "not everything is replicated after {} s{why}",
                wanted.timeout
            );
            return Err(Refused::late(text));
        }
    };
    let status = if standing.shipped < standing.committed {
        "synced_local"
    } else if wanted.wait && standing.shipped != before.txid {
        "synced"
    } else {
        "no_change"
    };
    Ok(Json(Synced {
        status: status.to_owned(),
        path: wanted.path,
        txid: standing.committed,
        replicated_txid: standing.shipped,
    }))
}

#[derive(Deserialize)]
struct Which {
    #[serde(default)]
    path: String,
}

async fn txid(State(served): Shared, Query(which): Query<Which>) -> Answer<Position> {
    let database = path(&which.path)?;
    match served.supervisor.report(&database) {
        Ok(report) => Ok(Json(Position { txid: report.txid })),
        Err(_) => Err(Refused::new(StatusCode::NOT_FOUND, "database not found")),
    }
}

async fn list(State(served): Shared) -> Json<List> {
    let listed = |(path, report): (PathBuf, Report)| Listed {
        path: path.display().to_string(),
        status: match report.phase {
            Phase::Starting | Phase::Waiting | Phase::Live => "replicating",
            Phase::Stopped => "stopped",
            Phase::Fenced => "fenced",
        }
        .to_owned(),
        last_sync_at: report.current_at.and_then(moment),
        error: report.error,
    };
    let databases = served.supervisor.list().into_iter().map(listed).collect();
    Json(List { databases })
}

async fn info(State(served): Shared) -> Json<Info> {
    Json(Info {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        uptime_seconds: served.began.elapsed().as_secs(),
        started_at: moment(served.began_at).unwrap_or_default(),
        database_count: served.supervisor.list().len(),
    })
}

async fn sync_status(State(served): Shared) -> Json<SyncStatus> {
    let databases = served.supervisor.list().into_iter().map(status).collect();
    Json(SyncStatus { databases })
}

fn status((path, report): (PathBuf, Report)) -> DatabaseStatus {
    let operation = report.operation;
    let elapsed = |began: SystemTime, until: SystemTime| {
        until
            .duration_since(began)
            .unwrap_or_default()
            .as_secs_f64()
    };
    DatabaseStatus {
        path: path.display().to_string(),
        active: operation.is_some_and(|operation| operation.active),
        operation: operation.map(|operation| operation.name.to_owned()),
        phase: match report.phase {
            Phase::Starting => "starting",
            Phase::Waiting => "waiting",
            Phase::Live => "live",
            Phase::Stopped => "stopped",
            Phase::Fenced => "fenced",
        }
        .to_owned(),
        started_at: operation.and_then(|operation| moment(operation.began)),
        updated_at: operation.and_then(|operation| moment(operation.updated)),
        elapsed_seconds: operation.map(|operation| {
            let until = match operation.active {
                true => SystemTime::now(),
                false => operation.updated,
            };
            elapsed(operation.began, until)
        }),
        txid: report.txid,
        wal_bytes: report.wal_bytes,
        unshipped_bytes: report.unshipped_bytes,
        error: report.error,
        verify: verify_status(report.verify),
    }
}

fn verify_status(verified: Verified) -> Option<VerifyStatus> {
    Some(VerifyStatus {
        interval_seconds: verified.interval?.as_secs_f64(),
        running: verified.running,
        sound: verified.sound,
        last_attempt: verified.last_attempt.and_then(moment),
        last_success: verified.last_success.map(|success| VerifySuccess {
            at: moment(success.at).unwrap_or_default(),
            txid: success.txid,
            seconds: success.seconds,
            downloaded: success.downloaded,
            moments: success.moments,
        }),
        last_failure: verified.last_failure.map(|failure| VerifyFailure {
            at: moment(failure.at).unwrap_or_default(),
            error: failure.error,
        }),
    })
}

/// `2026-11-25T22:37:18.100513299Z`.
fn moment(time: SystemTime) -> Option<String> {
    Timestamp::try_from(time).ok().map(|time| time.to_string())
}
