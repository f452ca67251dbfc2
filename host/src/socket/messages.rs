//! What goes over the control socket. The keys and words are Litestream's; TXIDs are decimal.

use serde::{Deserialize, Serialize};

/// How long a request may take unless it says otherwise, in seconds.
pub const TIMEOUT: u64 = 30;

fn timeout() -> u64 {
    TIMEOUT
}

/// `/start`, `/stop`, `/unregister`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Named {
    #[serde(default)]
    pub path: String,
    /// Seconds.
    #[serde(default = "timeout")]
    pub timeout: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Sync {
    #[serde(default)]
    pub path: String,
    /// Answer when what is committed now is in the replica.
    #[serde(default)]
    pub wait: bool,
    /// Seconds.
    #[serde(default = "timeout")]
    pub timeout: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Register {
    #[serde(default)]
    pub path: String,
    #[serde(default)]
    pub replica_url: String,
}

/// The answer to `/start`, `/stop`, `/unregister` and, without a TXID, `/register`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Changed {
    pub status: String,
    pub path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub txid: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Synced {
    /// `synced`: something came into the replica. `synced_local`: it is on its way. `no_change`.
    pub status: String,
    pub path: String,
    pub txid: u64,
    pub replicated_txid: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Position {
    pub txid: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct List {
    pub databases: Vec<Listed>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Listed {
    pub path: String,
    /// `replicating` or `stopped`; ours: `fenced`.
    pub status: String,
    /// When it was last known that nothing waits to be replicated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_sync_at: Option<String>,
    /// Ours: why it does not work at the moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Info {
    pub version: String,
    pub pid: u32,
    pub uptime_seconds: u64,
    pub started_at: String,
    pub database_count: usize,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct SyncStatus {
    pub databases: Vec<DatabaseStatus>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct DatabaseStatus {
    pub path: String,
    /// The operation is under way.
    pub active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    pub phase: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elapsed_seconds: Option<f64>,
    pub txid: u64,
    /// Ours: bytes of the WAL, and those of them that are not in the replica.
    pub wal_bytes: u64,
    pub unshipped_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Ours; there if the replica is verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<VerifyStatus>,
}

/// Ours: what verifying the replica found.
#[derive(Debug, Serialize, Deserialize)]
pub struct VerifyStatus {
    pub interval_seconds: f64,
    pub running: bool,
    /// What the last proof that came to an end said; null: there was none yet.
    pub sound: Option<bool>,
    pub last_attempt: Option<String>,
    pub last_success: Option<VerifySuccess>,
    pub last_failure: Option<VerifyFailure>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct VerifySuccess {
    pub at: String,
    /// Of the newest moment that was restored.
    pub txid: u64,
    pub seconds: f64,
    /// Bytes.
    pub downloaded: u64,
    /// How many moments were restored.
    pub moments: usize,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct VerifyFailure {
    pub at: String,
    pub error: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Failure {
    pub error: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
}
