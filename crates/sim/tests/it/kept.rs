//! State that outlives the process.

use serde_json::json;
use sim::{InboundMessage, Options, Sim, Status};

use crate::harness::{MAYA, World, ok};

fn options(dir: &std::path::Path) -> Options {
    Options { data_dir: Some(dir.to_owned()), status_delay_ms: Some(1_000), ..Options::default() }
}

#[tokio::test]
async fn everything_is_there_again_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::with(options(dir.path()));
    world.writes(MAYA);
    let id = world.text(MAYA).await.wamid();
    let made = json!({"name": "probe", "language": "en", "category": "UTILITY",
        "components": [{"type": "BODY", "text": "Hello there"}]});
    let template =
        ok(world.post("/v24.0/{waba}/message_templates", made).await)["id"].as_str().unwrap().to_owned();
    let media = world.upload("image/png", b"hello").await.id();
    ok(world.post("/v24.0/{number}", json!({"pin": "222222"})).await);
    world.sim.inbound(&InboundMessage::text(MAYA, "undelivered")).unwrap();
    let account = world.sim.add_account(sim::NewAccount::default()).unwrap();
    let accounts = world.sim.accounts();
    // As after a kill: dropping it writes nothing.
    drop(world);

    let world = World::with(options(dir.path()));
    assert_eq!(world.sim.accounts(), accounts);
    assert_eq!(accounts[2], account);
    assert_eq!(world.sim.messages()[0].message_id, id);
    assert_eq!(world.sim.messages()[0].status, Status::Accepted);
    let waiting = world.sim.take_webhooks();
    assert_eq!(waiting.len(), 1, "the webhook is still owed");
    assert!(std::str::from_utf8(&waiting[0].body).unwrap().contains("undelivered"));
    ok(world.get(&format!("/v24.0/{template}")).await);
    ok(world.typed("image", json!({"id": media})).await);
    world.sim.advance(std::time::Duration::from_secs(10));
    assert_eq!(world.words().await.len(), 6, "the statuses of both messages, in an open window");
    let next = world.text(MAYA).await.wamid();
    assert_ne!(next, id);
    drop(world);

    let world = World::with(options(dir.path()));
    assert_eq!(world.sim.messages().len(), 3);
    assert_eq!(world.sim.messages()[0].status, Status::Read);
    assert!(world.sim.take_webhooks().is_empty());
    world.sim.reset();
    drop(world);

    let world = World::with(options(dir.path()));
    assert!(world.sim.messages().is_empty());
    assert_eq!(world.sim.accounts().len(), 2);
    assert_eq!(world.get(&format!("/v24.0/{template}")).await.code(), 100);
}

#[tokio::test]
async fn a_torn_last_line_is_forgotten_and_any_other_rubbish_is_corrupt() {
    use std::io::Write;
    let dir = tempfile::tempdir().unwrap();
    let world = World::with(options(dir.path()));
    let id = world.text(MAYA).await.wamid();
    drop(world);
    let journal = dir.path().join("simulator.jsonl");
    let mut file = std::fs::OpenOptions::new().append(true).open(&journal).unwrap();
    file.write_all(br#"{"Message":{"seq":9,"#).unwrap();
    drop(file);
    let world = World::with(options(dir.path()));
    assert_eq!(world.sim.messages()[0].message_id, id);
    drop(world);

    std::fs::write(&journal, "rubbish\n").unwrap();
    let error = sim::Sim::new(options(dir.path())).err().unwrap();
    assert!(matches!(error, sim::SimError::Corrupt(_)), "{error}");
    std::fs::write(dir.path().join("simulator.json"), "rubbish").unwrap();
    assert!(matches!(sim::Sim::new(options(dir.path())).err().unwrap(), sim::SimError::Corrupt(_)));
}

#[tokio::test]
async fn waiting_webhooks_follow_a_callback_that_moved() {
    let dir = tempfile::tempdir().unwrap();
    let at = |url: &str| Options { callback_url: Some(url.to_owned()), ..options(dir.path()) };
    let world = World::with(at("http://127.0.0.1:1/webhooks/meta"));
    world.sim.inbound(&InboundMessage::text(MAYA, "hi")).unwrap();
    drop(world);
    let world = World::with(at("http://127.0.0.1:2/webhooks/meta"));
    assert_eq!(world.sim.take_webhooks()[0].url, "http://127.0.0.1:2/webhooks/meta");
}

#[tokio::test]
async fn media_content_is_kept_in_files() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::with(options(dir.path()));
    let id = world.upload("image/png", b"hello").await.id();
    assert_eq!(std::fs::read(dir.path().join("media").join(&id)).unwrap(), b"hello");
    ok(world.delete(&format!("/v24.0/{id}")).await);
    assert!(!dir.path().join("media").join(&id).exists());
}

#[tokio::test]
async fn two_simulators_never_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let first = Sim::new(options(folder.path())).unwrap();
    assert!(matches!(Sim::new(options(folder.path())), Err(sim::SimError::InUse)));
    drop(first);
    Sim::new(options(folder.path())).unwrap();
}
