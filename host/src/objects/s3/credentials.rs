//! Whose name requests are signed with.
//!
//! In this order: the configuration's keys; `AWS_ACCESS_KEY_ID` and whatever else of AWS's chain
//! comes before it; `LITESTREAM_ACCESS_KEY_ID`; the rest of the chain. As with Litestream, its own
//! variables only stand in for AWS's where those are not set.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use tokio::time::Instant;

use super::super::S3Location;
use super::super::limits::{CREDENTIALS, RENEW_BEFORE_EXPIRY};
use super::Error;
use super::chain::{Chain, NoCredentials};
use super::env::Env;

/// Where credentials come from.
#[derive(Debug, Clone)]
pub enum Source {
    Fixed(Credentials),
    Renewed(Arc<Renewed>),
}

impl Source {
    /// Errors: [`Error::Invalid`] when only half of a key pair is there.
    pub fn choose(location: &S3Location, env: &Env, chain: Chain) -> Result<Source, Error> {
        let secret = location
            .secret_access_key
            .as_ref()
            .map(|secret| secret.reveal().to_owned());
        match (location.access_key_id.clone(), secret) {
            (Some(id), Some(secret)) => {
                let token = location
                    .session_token
                    .as_ref()
                    .map(|token| token.reveal().to_owned());
                return Ok(fixed(id, secret, token, "configuration"));
            }
            (None, None) => {}
            (Some(_), None) => return Err(half("access-key-id", "secret-access-key")),
            (None, Some(_)) => return Err(half("secret-access-key", "access-key-id")),
        }
        let either = |aws, litestream| env.get(aws).or_else(|| env.get(litestream));
        let id = either("AWS_ACCESS_KEY_ID", "LITESTREAM_ACCESS_KEY_ID");
        let secret = either("AWS_SECRET_ACCESS_KEY", "LITESTREAM_SECRET_ACCESS_KEY");
        Ok(match (id, secret) {
            (Some(id), Some(secret)) => {
                fixed(id, secret, env.get("AWS_SESSION_TOKEN"), "environment")
            }
            _ => Source::Renewed(Arc::new(Renewed {
                chain,
                turn: tokio::sync::Mutex::default(),
                state: Mutex::default(),
            })),
        })
    }

    pub async fn get(&self) -> Result<Credentials, NoCredentials> {
        match self {
            Source::Fixed(credentials) => Ok(credentials.clone()),
            Source::Renewed(renewed) => renewed.get().await,
        }
    }

    /// The store refused these credentials: are there others to be had?
    pub fn forget(&self, refused: &Credentials) -> bool {
        match self {
            Source::Fixed(_) => false,
            Source::Renewed(renewed) => {
                renewed.state().forget(refused);
                true
            }
        }
    }
}

fn fixed(id: String, secret: String, token: Option<String>, from: &'static str) -> Source {
    Source::Fixed(Credentials::new(id, secret, token, None, from))
}

fn half(given: &str, missing: &str) -> Error {
    Error::Invalid(format!(
        "`{given}` is set without `{missing}`: set both or neither"
    ))
}

/// The credentials of AWS's chain, renewed before they expire.
#[derive(Debug)]
pub struct Renewed {
    chain: Chain,
    /// Whoever needs credentials now waits for the one that is finding them already.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    current: Option<Credentials>,
    /// No renewal is begun before this moment: one is under way, or has just failed.
    not_before: Option<Instant>,
    /// The last search that found nothing.
    failed: Option<(Instant, NoCredentials)>,
}

impl State {
    /// Others than those that were refused stay: another replica's request was faster.
    fn forget(&mut self, refused: &Credentials) {
        if self.current.as_ref() == Some(refused) {
            self.current = None;
        }
    }
}

/// What to do about credentials that are, or are not, at hand.
#[derive(Debug, PartialEq, Eq)]
enum Need {
    Nothing,
    /// They are still good, but not for long.
    RenewInBackground,
    RenewNow,
}

/// A search that found nothing is not repeated before this time is over.
const SEARCH_PAUSE: Duration = Duration::from_secs(1);

/// Between two attempts to renew credentials that are still good.
const RENEWAL_PAUSE: Duration = Duration::from_secs(30);

impl Renewed {
    async fn get(self: &Arc<Self>) -> Result<Credentials, NoCredentials> {
        let current = {
            let mut state = self.state();
            let expiry = state.current.as_ref().map(Credentials::expiry);
            match need(expiry, SystemTime::now()) {
                Need::Nothing => state.current.clone(),
                Need::RenewInBackground => {
                    let now = Instant::now();
                    if state.not_before.is_none_or(|moment| now >= moment) {
                        state.not_before = Some(now + RENEWAL_PAUSE);
                        let renewed = self.clone();
                        tokio::spawn(async move { renewed.renew().await });
                    }
                    state.current.clone()
                }
                Need::RenewNow => None,
            }
        };
        match current {
            Some(credentials) => Ok(credentials),
            None => self.find().await,
        }
    }

    async fn find(&self) -> Result<Credentials, NoCredentials> {
        let _turn = self.turn.lock().await;
        {
            let state = self.state();
            if let Some(current) = &state.current
                && need(Some(current.expiry()), SystemTime::now()) != Need::RenewNow
            {
                return Ok(current.clone());
            }
            if let Some((at, error)) = &state.failed
                && at.elapsed() < SEARCH_PAUSE
            {
                return Err(error.clone());
            }
        }
        self.renew().await
    }

    async fn renew(&self) -> Result<Credentials, NoCredentials> {
        let found = tokio::time::timeout(CREDENTIALS, self.chain.provide()).await;
        let found = found.unwrap_or_else(|_| {
            let text = format!(
                "credentials were not found within {} s",
                CREDENTIALS.as_secs()
            );
            Err(NoCredentials {
                text,
                may_pass: true,
            })
        });
        let mut state = self.state();
        match found {
            Ok(credentials) => {
                state.current = Some(credentials.clone());
                Ok(credentials)
            }
            Err(error) => {
                tracing::debug!(why = error.text, "no new credentials");
                // Where there were some before, there will be some again.
                let may_pass = error.may_pass || state.current.is_some();
                let error = NoCredentials { may_pass, ..error };
                state.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `expiry` is `None` without credentials, `Some(None)` for such as never expire.
fn need(expiry: Option<Option<SystemTime>>, now: SystemTime) -> Need {
    match expiry {
        None => Need::RenewNow,
        Some(None) => Need::Nothing,
        Some(Some(expiry)) if expiry <= now => Need::RenewNow,
        Some(Some(expiry)) if expiry <= now + RENEW_BEFORE_EXPIRY => Need::RenewInBackground,
        Some(Some(_)) => Need::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::Secret;

    async fn chosen(location: &S3Location, env: &[(&str, &str)]) -> Option<Credentials> {
        let env = Env::of(env);
        match Source::choose(location, &env, Chain::new(None)).unwrap() {
            Source::Fixed(credentials) => Some(credentials),
            Source::Renewed(_) => None,
        }
    }

    #[tokio::test]
    async fn the_configuration_comes_before_the_environment() {
        let mut location = S3Location::new("b", "");
        let env = [
            ("AWS_ACCESS_KEY_ID", "aws"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("AWS_SESSION_TOKEN", "t"),
            ("LITESTREAM_ACCESS_KEY_ID", "litestream"),
            ("LITESTREAM_SECRET_ACCESS_KEY", "s"),
        ];
        let found = chosen(&location, &env).await.unwrap();
        assert_eq!(
            (found.access_key_id(), found.session_token()),
            ("aws", Some("t"))
        );
        let found = chosen(&location, &env[3..]).await.unwrap();
        assert_eq!(found.access_key_id(), "litestream");

        location.access_key_id = Some("config".into());
        location.secret_access_key = Some(Secret::new("s"));
        let found = chosen(&location, &env).await.unwrap();
        assert_eq!(
            (found.access_key_id(), found.session_token()),
            ("config", None)
        );
    }

    #[tokio::test]
    async fn half_a_key_pair_is_refused_in_the_configuration_and_passed_over_elsewhere() {
        let mut location = S3Location::new("b", "");
        assert!(
            chosen(&location, &[("LITESTREAM_ACCESS_KEY_ID", "x")])
                .await
                .is_none()
        );
        assert!(chosen(&location, &[]).await.is_none());

        location.access_key_id = Some("config".into());
        let error = Source::choose(&location, &Env::of(&[]), Chain::new(None)).unwrap_err();
        assert!(
            error.to_string().contains("without `secret-access-key`"),
            "{error}"
        );
    }

    #[test]
    fn credentials_are_renewed_before_they_expire() {
        let now = SystemTime::now();
        let minutes = |minutes: u64| now + Duration::from_secs(60 * minutes);
        assert_eq!(need(None, now), Need::RenewNow);
        assert_eq!(need(Some(None), now), Need::Nothing);
        assert_eq!(need(Some(Some(now)), now), Need::RenewNow);
        assert_eq!(need(Some(Some(minutes(4))), now), Need::RenewInBackground);
        assert_eq!(need(Some(Some(minutes(6))), now), Need::Nothing);
    }
}
