mod sandbox;
wit_bindgen::generate!({ path: ["../../wit/objects", "../../wit/live", "../../wit/replicator"], world: "seawall:replicator/replicate", generate_all });
use exports::seawall::replicator::replicator as e;
struct R;
impl e::Guest for R {
    fn configure(_s: e::Settings) {}
    async fn sync() -> Result<e::Synced, e::Error> {
        let x = seawall::objects::store::get("x".into(), None).await;
        Err(e::Error::Store(format!(
            "{x:?} {:?}",
            std::time::SystemTime::now()
        )))
    }
    fn maintain() -> Result<(), e::Error> {
        let mut h = std::collections::HashMap::new();
        h.insert(1, 2);
        seawall::replicator::report::log(
            seawall::replicator::report::Level::Info,
            &format!("{h:?}"),
        );
        Ok(())
    }
    fn status() -> e::Standing {
        todo!()
    }
    async fn probe() -> Result<bool, e::Error> {
        Ok(true)
    }
    async fn restore(_c: e::Integrity) -> Result<e::Restored, e::Error> {
        todo!()
    }
    fn close() {}
}
export!(R);
