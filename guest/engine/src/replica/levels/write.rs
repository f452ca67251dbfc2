//! Writes one object of a level, create-if-absent, and reads back what is there then.

use super::super::upload::{self, Source};
use super::super::{Error, Replicator};
use super::capture::Job;
use super::holdings::Held;
use crate::ltx::Summary;
use crate::ports::{Condition, LogLevel, ObjectError, Objects};
use crate::restore::{self, Listed, RestoreError};

/// How often a `put` whose answer was lost is tried again before that is left to the next call.
const SETTLE_TRIES: usize = 3;

impl<O: Objects> Replicator<O> {
    pub(super) async fn write(&self, job: &Job) -> Result<Held, Error> {
        self.ensure_newest().await?;
        let key = self.settings.layout.key(&job.name);
        let source = Source {
            header: job.header,
            count: job.pages.len(),
            page: &|number| job.page(number),
        };
        let mut condition = Condition::IfAbsent;
        let mut tries = 0;
        let summary = loop {
            tries += 1;
            match self.send_once(&key, condition.clone(), &source).await? {
                Ok(summary) => break summary,
                Err(ObjectError::UnknownOutcome(_)) if tries < SETTLE_TRIES => {}
                Err(ObjectError::PreconditionFailed(_)) if condition == Condition::IfAbsent => {
                    if let Some(held) = self.adopt(job, &key).await? {
                        return Ok(held);
                    }
                    condition = Condition::None;
                }
                Err(error) => return Err(error.into()),
            }
        };
        let listed = self.listed(job, summary.size);
        let (environment, layout) = (&*self.environment, self.settings.layout);
        let sent = (&job.header, &summary);
        let sound = restore::is_as_sent(&self.objects, environment, layout, &listed, sent).await?;
        if !sound {
            return Err(Error::Object {
                key,
                what: "the store returns something else than what was sent".to_owned(),
            });
        }
        Ok(self.held(summary.size))
    }

    async fn send_once(
        &self,
        key: &str,
        condition: Condition,
        source: &Source<'_>,
    ) -> Result<Result<Summary, ObjectError>, Error> {
        if source.raw_bytes() > self.settings.parts.above_bytes {
            let (environment, parts) = (&*self.environment, self.settings.parts);
            return upload::send_in_parts(
                &self.objects,
                environment,
                parts,
                key,
                condition,
                source,
            )
            .await;
        }
        let (body, summary) = upload::encode(source)?;
        let created = source.header.timestamp_ms as u64;
        let put = self.objects.put(key, body, condition, created).await;
        Ok(put.map(|_| summary))
    }

    /// An object of that name is there: of an earlier attempt, or of another program. `None`: it is
    /// damaged and may be replaced.
    async fn adopt(&self, job: &Job, key: &str) -> Result<Option<Held>, Error> {
        let found = self.objects.list(key, None).await?;
        let Some(entry) = found.entries.into_iter().find(|entry| entry.key == key) else {
            return Err(Error::Busy(format!("{key} was there and is gone")));
        };
        let listed = self.listed(job, entry.size);
        let (environment, layout) = (&*self.environment, self.settings.layout);
        match restore::check_object(&self.objects, environment, layout, &listed).await {
            Ok((header, _)) => {
                let theirs = header.extra.database_checksum;
                let same = header.commit == job.header.commit
                    && (theirs.is_none() || theirs == job.header.extra.database_checksum);
                if !same {
                    return Err(Error::Object {
                        key: key.to_owned(),
                        what: "another program wrote something else under this name".to_owned(),
                    });
                }
                Ok(Some(self.held(entry.size)))
            }
            Err(error @ RestoreError::Damaged { .. }) => {
                let text = format!("{error}; replacing it");
                self.log(LogLevel::Error, &text);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn listed(&self, job: &Job, size: u64) -> Listed {
        Listed {
            name: job.name,
            size,
            modified_ms: 0,
        }
    }

    fn held(&self, size: u64) -> Held {
        Held {
            size,
            time_ms: self.environment.now_ms(),
            verified: true,
            stuck: false,
        }
    }
}
