//! Sends one request until it is answered with a yes, a no, or the time is up.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::{Body, Client, Response, Url};
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::super::Meter;
use super::super::limits::{Patience, time_to_move};
use super::body::{Metered, Sent, read_body};
use super::chain::in_words;
use super::credentials::Source;
use super::region::{self, Region};
use aws_credential_types::Credentials;
use s3_protocol::failure::{Failure, Kind};
use s3_protocol::request::{Answer, Request};
use s3_protocol::retry::{Next, Tries};
use s3_protocol::sign::{Checksums, Signer, signed_headers};
use s3_protocol::site::Site;
use s3_protocol::{Carrier, answer};

/// Corrections within one call, of the region or of expired credentials: each helps once.
const CORRECTIONS: u32 = 3;

/// How often a silent store is looked at again.
const SILENCE_POLL: Duration = Duration::from_secs(1);

/// The way to one bucket.
#[derive(Debug)]
pub struct Wire {
    pub client: Client,
    /// Turns to send a request, for all replicas of the process together.
    pub turns: Arc<Semaphore>,
    pub meter: Meter,
    pub site: Site,
    pub region: Region,
    /// The region was asked for.
    pub looked_up: OnceCell<()>,
    pub credentials: Source,
    pub sign_payload: bool,
    pub content_md5: bool,
    /// Sent with every request.
    pub extra_header: Option<(&'static str, &'static str)>,
    pub patience: Patience,
}

impl Carrier for Wire {
    async fn call(&self, request: &Request<'_>) -> Result<Answer, Failure> {
        let patience = request.patience.unwrap_or(self.patience);
        let checksums = self.checksums(request);
        let mut tries = Tries::new(
            patience,
            request.body.len() as u64,
            Instant::now().into_std(),
        );
        let mut corrections = 0;
        loop {
            let mut deadline = Instant::from_std(*tries.deadline());
            let region = self.region(deadline).await;
            let credentials = self.credentials(deadline).await;
            let tried = match &credentials {
                Ok(credentials) => {
                    self.attempt(
                        request,
                        &region,
                        credentials,
                        &checksums,
                        &patience,
                        &mut deadline,
                    )
                    .await
                }
                Err(failure) => {
                    self.tell_meter(request, Some(failure));
                    Err(failure.clone())
                }
            };
            *tries.deadline() = deadline.into_std();
            let failure = match tried {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            tracing::debug!(
                request = self.name(request),
                failure = failure.text,
                "a try failed"
            );
            let used = credentials.as_ref().ok();
            if corrections < CORRECTIONS && self.correct(&failure, used) {
                corrections += 1;
                continue;
            }
            match tries.next(failure, Instant::now().into_std(), rand::random()) {
                Next::TryAfter(wait) => sleep(wait).await,
                Next::GiveUp(failure) => {
                    let text = format!("{}: {}", self.name(request), failure.text);
                    return Err(Failure { text, ..failure });
                }
            }
        }
    }

    fn site(&self) -> &Site {
        &self.site
    }

    fn patience(&self) -> Patience {
        self.patience
    }
}

impl Wire {
    /// One try, for `region`.
    pub async fn try_once(&self, request: &Request<'_>, region: &str) -> Result<Answer, Failure> {
        let mut deadline = Instant::now() + self.patience.call;
        let checksums = self.checksums(request);
        let credentials = self.credentials(deadline).await?;
        let (patience, deadline) = (&self.patience, &mut deadline);
        self.attempt(
            request,
            region,
            &credentials,
            &checksums,
            patience,
            deadline,
        )
        .await
    }

    fn name(&self, request: &Request<'_>) -> String {
        request.name(self.site.bucket())
    }

    /// Changes what the failure shows to be wrong, if it can be changed.
    fn correct(&self, failure: &Failure, used: Option<&Credentials>) -> bool {
        match failure.code.as_str() {
            "ExpiredToken" | "TokenRefreshRequired" | "InvalidToken" | "InvalidAccessKeyId" => {
                used.is_some_and(|refused| self.credentials.forget(refused))
            }
            _ if failure.is_about_region() => {
                let region = failure.region.as_deref();
                region.is_some_and(|region| self.region.learn(region))
            }
            _ => false,
        }
    }

    async fn region(&self, deadline: Instant) -> String {
        if self.region.known().is_none() {
            let looking_up = self.looked_up.get_or_try_init(async || {
                let found = region::look_up(self).await.ok_or(())?;
                self.region.learn(&found);
                Ok::<(), ()>(())
            });
            // What cannot be found out now is asked for again by the next call.
            let _ = timeout_at(deadline, looking_up).await;
        }
        self.region
            .known()
            .unwrap_or_else(|| region::FIRST.to_owned())
    }

    fn checksums(&self, request: &Request<'_>) -> Checksums {
        Checksums::of(&request.body, self.sign_payload, self.content_md5)
    }

    async fn credentials(&self, deadline: Instant) -> Result<Credentials, Failure> {
        timeout_at(deadline, self.credentials.get())
            .await
            .map_err(|_| Failure::unsent("finding credentials took too long"))?
            .map_err(|error| match error.may_pass {
                true => Failure::unsent(error.text),
                false => Failure::certain(Kind::Denied, error.text),
            })
    }

    async fn attempt(
        &self,
        request: &Request<'_>,
        region: &str,
        credentials: &Credentials,
        checksums: &Checksums,
        patience: &Patience,
        deadline: &mut Instant,
    ) -> Result<Answer, Failure> {
        // Requests of other replicas take no time from this one.
        let waiting = Instant::now();
        let _turn = self.turns.acquire().await;
        *deadline += waiting.elapsed();
        let url = self.site.url(region, request.key, &request.query);
        let signer = Signer {
            credentials,
            region,
            now: SystemTime::now(),
        };
        let mut headers = request.headers.clone();
        headers.extend(
            self.extra_header
                .map(|(name, value)| (name, value.to_owned())),
        );
        let headers = signed_headers(&signer, request.method.as_str(), &url, &headers, checksums)
            .map_err(|text| Failure::certain(Kind::Invalid, text))?;
        let url = Url::parse(&url)
            .map_err(|error| Failure::certain(Kind::Invalid, format!("{url}: {error}")))?;

        let sent = Sent::new(request.body.len() as u64, Instant::now());
        let body = Metered {
            rest: request.body.clone(),
            sent: sent.clone(),
        };
        let sending = self
            .client
            .request(request.method.clone(), url)
            .headers(headers)
            .body(Body::wrap(body))
            .send();
        let operation = request.operation();
        self.meter.begins(operation);
        let began = Instant::now();
        let outcome = async {
            let response = self.answered(request, sending, &sent, patience, deadline);
            let response = response.await?;
            self.read(request, response, patience, deadline).await
        };
        let outcome = outcome.await;
        self.meter.took(operation, began.elapsed());
        self.meter.sent(operation, sent.taken());
        self.tell_meter(request, outcome.as_ref().err());
        outcome
    }

    /// Waits for the head of the answer as long as there is some progress.
    async fn answered(
        &self,
        request: &Request<'_>,
        sending: impl Future<Output = reqwest::Result<Response>>,
        sent: &Sent,
        patience: &Patience,
        deadline: &Instant,
    ) -> Result<Response, Failure> {
        tokio::pin!(sending);
        let mut next_look = Instant::now() + patience.silent;
        loop {
            let patient_until = sent.deadline(patience).min(*deadline);
            tokio::select! {
                answer = &mut sending => return answer.map_err(|error| not_sent(&error)),
                () = sleep_until(patient_until.min(next_look)) => {}
            }
            let now = Instant::now();
            if now >= sent.deadline(patience).min(*deadline) {
                return Err(timed_out(sent));
            }
            let silent = sent.rests();
            if silent >= patience.silent {
                let name = self.name(request);
                let text = format!("{name}: no answer for {} s so far", silent.as_secs());
                let operation = request.operation();
                self.meter.is_doubtful(operation, silent, &text);
            }
            next_look = now + patience.silent.saturating_sub(silent).max(SILENCE_POLL);
        }
    }

    /// What a try says about the store.
    fn tell_meter(&self, request: &Request<'_>, failure: Option<&Failure>) {
        let operation = request.operation();
        let told = failure.and_then(|failure| Some((failure, failure.trouble(request.effect)?)));
        match told {
            Some((failure, trouble)) => {
                let text = format!("{}: {}", self.name(request), failure.text);
                self.meter.fails(operation, trouble, &text);
            }
            None => self.meter.works(operation),
        }
    }

    async fn read(
        &self,
        request: &Request<'_>,
        response: Response,
        patience: &Patience,
        deadline: &mut Instant,
    ) -> Result<Answer, Failure> {
        let status = response.status();
        let headers = response.headers().clone();
        let limit = answer::limit(request, status);
        *deadline += time_to_move(response.content_length().unwrap_or(0).min(limit));
        let count = |bytes| self.meter.received(request.operation(), bytes);
        let body = read_body(response, limit, patience.stall, *deadline, count).await;
        let now = jiff::Timestamp::now();
        answer::settle(request, &self.site, status, headers, body, now)
    }
}

fn not_sent(error: &reqwest::Error) -> Failure {
    let text = in_words(error);
    if error.is_builder() {
        return Failure::certain(Kind::Invalid, text);
    }
    if !error.is_connect() {
        return Failure::unanswered(text);
    }
    // A certificate that is not believed now will not be believed a second later.
    if text.contains("invalid peer certificate") {
        return Failure::certain(
            Kind::Unavailable,
            format!("{text}: name the authority's certificate in AWS_CA_BUNDLE or SSL_CERT_FILE"),
        );
    }
    Failure::unsent(text)
}

fn timed_out(sent: &Sent) -> Failure {
    if sent.is_untouched() {
        Failure::unsent("no connection in time")
    } else {
        Failure::unanswered("no answer in time")
    }
}
