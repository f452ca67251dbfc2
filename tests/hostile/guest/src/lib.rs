//! Has the replicator's world, and other intentions. Each function is one attack.
#![cfg(target_family = "wasm")]

#[cfg(not(feature = "greedy"))]
#[path = "../../../../guest/replicator/src/sandbox.rs"]
mod sandbox;

wit_bindgen::generate!({
    path: ["../../../wit/objects", "../../../wit/live", "../../../wit/replicator"],
    world: "seawall:replicator/replicate",
    generate_all,
});

use exports::seawall::replicator::replicator as wit;
use seawall::live::files;
use seawall::objects::store::{self, Condition};

/// Ways out of the prefix. `secret` lies beside it.
const WAYS_OUT: [&str; 11] = [
    "../secret",
    "../../secret",
    "0/../../secret",
    "0//../../secret",
    "./../secret",
    "/etc/passwd",
    "//etc/passwd",
    "..",
    ".",
    "",
    "..\0/secret",
];
const INSIDE: &str = "ltx/0/inside";
const FORGED: &[u8] = b"forged";

struct Hostile;

/// Asks for everything under one key, and tells what came back.
async fn try_key(key: &str, found: &mut Vec<String>) {
    let bytes = |body: Vec<u8>| String::from_utf8_lossy(&body).into_owned();
    if let Ok(body) = store::get(key.to_owned(), None).await {
        found.push(format!("get {key}: {}", bytes(body)));
    }
    let put = store::put(key.to_owned(), FORGED.to_vec(), Condition::None, 0).await;
    if put.is_ok() {
        found.push(format!("put {key}"));
    }
    if let Ok(upload) = store::Upload::start(key.to_owned(), 0).await {
        let _ = upload.part(1, 0, FORGED.to_vec()).await;
        if upload.complete(Condition::None).await.is_ok() {
            found.push(format!("upload {key}"));
        }
    }
    if let Ok(listing) = store::list(key.to_owned(), None).await {
        for entry in listing.entries {
            found.push(format!("list {key}: {}", entry.key));
        }
    }
    if let Ok(failed) = store::delete(vec![key.to_owned()]).await
        && failed.is_empty()
    {
        found.push(format!("delete {key}"));
    }
}

impl wit::Guest for Hostile {
    #[cfg(not(feature = "greedy"))]
    fn configure(_: wit::Settings) {}

    /// What any program may do, and a component only if its host lets it.
    #[cfg(feature = "greedy")]
    fn configure(_: wit::Settings) {
        let variables = std::env::vars().count();
        let passwords = std::fs::read("/etc/passwd").is_ok();
        let connected = std::net::TcpStream::connect("127.0.0.1:80").is_ok();
        println!("{variables} {passwords} {connected}");
    }

    /// The first line shows that the store answers.
    async fn sync() -> Result<wit::Synced, wit::Error> {
        let mut found = Vec::new();
        let key = INSIDE.to_owned();
        let put = store::put(key.clone(), FORGED.to_vec(), Condition::None, 0).await;
        if put.is_ok() && store::get(key, None).await.is_ok_and(|body| body == FORGED) {
            found.push("inside".to_owned());
        }
        for key in WAYS_OUT {
            try_key(key, &mut found).await;
        }
        Err(wit::Error::Database(found.join("\n")))
    }

    /// Reads far more than there is.
    fn held() -> Vec<String> {
        let Ok(file) = files::File::open(files::Kind::Database, files::OpenMode::Existing) else {
            return vec!["the database is not there".to_owned()];
        };
        let read = |offset, length| match file.read(offset, length) {
            Ok(bytes) => bytes.len().to_string(),
            Err(_) => "refused".to_owned(),
        };
        vec![read(0, u32::MAX), read(u64::MAX, u32::MAX)]
    }

    /// Does not end.
    fn maintain() -> Result<bool, wit::Error> {
        let mut number = 1_u64;
        loop {
            number = std::hint::black_box(number.wrapping_mul(3));
        }
    }

    /// Takes all the memory that it gets, touches it, and wants more.
    fn status() -> wit::Standing {
        let mut taken: Vec<Vec<u8>> = Vec::new();
        loop {
            taken.push(vec![1; 1 << 20]);
            std::hint::black_box(&taken);
        }
    }

    /// Reads beyond the WAL-index.
    fn moments() -> Vec<wit::Moment> {
        if let Ok(memory) = files::SharedMemory::open() {
            std::hint::black_box(memory.load(u32::MAX - 64, u32::MAX));
        }
        Vec::new()
    }

    /// Panics.
    fn close() {
        panic!("as broken code does");
    }

    async fn probe() -> Result<bool, wit::Error> {
        unreachable!()
    }

    async fn compact(_: wit::Forced) -> Result<wit::Compacted, wit::Error> {
        unreachable!()
    }

    async fn restore(_: wit::RestoreOptions) -> Result<wit::Restored, wit::Error> {
        unreachable!()
    }

    async fn verify(_: Vec<String>, _: u32) -> Result<wit::Verified, wit::Error> {
        unreachable!()
    }

    async fn plan(_: wit::Target) -> Result<wit::RestorePlan, wit::Error> {
        unreachable!()
    }

    async fn follow(_: u32) -> Result<wit::Followed, wit::Error> {
        unreachable!()
    }

    async fn objects(_: Option<u8>) -> Result<Vec<wit::Object>, wit::Error> {
        unreachable!()
    }
}

export!(Hostile);
