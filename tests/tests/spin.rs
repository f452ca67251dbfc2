//! What goes to Spin: manifests as Spin documents them, a component that asks for nothing that Spin
//! does not grant, and an unmodified app that keeps its notes in the bucket. Spin itself is not run:
//! `wasmtime serve` stands in its place.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use end_to_end::edge::Edge;
use end_to_end::places;
use end_to_end::program::Program;
use end_to_end::replica::Replica;
use end_to_end::scene::{Scene, scene};
use end_to_end::shell::sql;
use end_to_end::weed::SeaweedFs;
use serde::Deserialize;
use serde_json::{Value, json};
use wasmparser::{Parser, Payload};

/// The fields of Spin's manifest, version 2, as its reference has them. Any other is an error.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    spin_manifest_version: u32,
    application: Application,
    #[serde(default)]
    variables: BTreeMap<String, Variable>,
    trigger: Triggers,
    component: BTreeMap<String, Component>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Application {
    name: String,
    version: Option<String>,
    #[serde(rename = "description")]
    _description: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Variable {
    default: Option<String>,
    required: Option<bool>,
    #[serde(rename = "secret")]
    _secret: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Triggers {
    http: Vec<HttpTrigger>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HttpTrigger {
    route: String,
    component: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Component {
    source: PathBuf,
    #[serde(default)]
    allowed_outbound_hosts: Vec<String>,
    #[serde(default)]
    dependencies_inherit_configuration: bool,
    #[serde(default)]
    dependencies: BTreeMap<String, Dependency>,
    #[serde(default)]
    variables: BTreeMap<String, String>,
    #[serde(rename = "build")]
    _build: Option<Build>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dependency {
    path: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Build {
    #[serde(rename = "command")]
    _command: String,
}

fn root() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests)
}

fn manifest(path: &Path) -> Result<Manifest> {
    let text = std::fs::read_to_string(path)?;
    toml::from_str(&text).with_context(|| path.display().to_string())
}

/// What stands between `{{` and `}}`.
fn templates(text: &str) -> impl Iterator<Item = &str> {
    let after = text.split("{{").skip(1);
    after.filter_map(|rest| Some(rest.split_once("}}")?.0.trim()))
}

/// A file below `target/`, wherever that is now.
fn built(manifest: &Path, path: &Path) -> Result<PathBuf> {
    let dir = manifest.parent().context("no directory")?;
    let full = dir.join(path);
    let parts: Vec<_> = full.components().collect();
    let target = parts.iter().position(|part| part.as_os_str() == "target");
    let below: PathBuf = parts[target.context("not below target/")? + 1..]
        .iter()
        .collect();
    let found = places::target()?.join(below);
    ensure!(
        found.exists(),
        "{} is not there: run make edge",
        found.display()
    );
    Ok(found)
}

fn check(path: &Path) -> Result<Manifest> {
    let manifest = manifest(path)?;
    ensure!(manifest.spin_manifest_version == 2);
    ensure!(!manifest.application.name.is_empty() && manifest.application.version.is_some());
    for (name, variable) in &manifest.variables {
        let required = variable.required.unwrap_or(false);
        ensure!(
            required != variable.default.is_some(),
            "{name} is required or has a default"
        );
    }
    for trigger in &manifest.trigger.http {
        ensure!(trigger.route.starts_with('/'));
        ensure!(manifest.component.contains_key(&trigger.component));
    }
    for component in manifest.component.values() {
        built(path, &component.source)?;
        let texts = component.variables.values();
        for name in texts
            .chain(&component.allowed_outbound_hosts)
            .flat_map(|text| templates(text))
        {
            ensure!(manifest.variables.contains_key(name), "no variable {name}");
        }
        // Spin's names have no capitals; ours are those of the environment in small letters.
        for name in component.variables.keys() {
            ensure!(
                name.starts_with("seawall_") || name.starts_with("aws_"),
                "nobody reads {name}"
            );
            ensure!(*name == name.to_lowercase());
        }
    }
    Ok(manifest)
}

#[test]
fn the_manifests_are_as_spin_documents_them() {
    scene(|_| {
        let ours = check(&root().join("spin.toml"))?;
        let seawall = ours.component.get("seawall").context("no seawall")?;
        for needed in ["bucket", "endpoint"] {
            ensure!(seawall.variables.contains_key(&format!("seawall_{needed}")));
        }
        let path = root().join("examples/notes-spin/spin.toml");
        let notes = check(&path)?;
        let notes = notes.component.get("notes").context("no notes")?;
        let plugged = notes.dependencies.get("spin:sqlite/sqlite@3.1.0");
        let plugged = plugged.context("nothing is plugged in")?;
        built(&path, &plugged.path)?;
        ensure!(notes.dependencies_inherit_configuration);
        Ok(())
    });
}

/// What a component asks its host for: interfaces and their versions.
fn imports(path: &Path) -> Result<BTreeSet<String>> {
    let bytes = std::fs::read(path)?;
    let (mut depth, mut found) = (0, BTreeSet::new());
    for payload in Parser::new(0).parse_all(&bytes) {
        match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    found.insert(import?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Of Spin 4.1: each interface with the versions that are compatible.
const GRANTED: [&str; 23] = [
    "wasi:cli/environment@0.2",
    "wasi:cli/exit@0.2",
    "wasi:cli/stdin@0.2",
    "wasi:cli/stdout@0.2",
    "wasi:cli/stderr@0.2",
    "wasi:cli/terminal-input@0.2",
    "wasi:cli/terminal-output@0.2",
    "wasi:cli/terminal-stdin@0.2",
    "wasi:cli/terminal-stdout@0.2",
    "wasi:cli/terminal-stderr@0.2",
    "wasi:clocks/monotonic-clock@0.2",
    "wasi:clocks/wall-clock@0.2",
    "wasi:clocks/types@0.3",
    "wasi:clocks/monotonic-clock@0.3",
    "wasi:http/types@0.3",
    "wasi:http/client@0.3",
    "wasi:io/error@0.2",
    "wasi:io/poll@0.2",
    "wasi:io/streams@0.2",
    "wasi:random/random@0.2",
    "wasi:random/insecure-seed@0.2",
    "wasi:random/random@0.3",
    "fermyon:spin/variables@2.0",
];

#[test]
fn the_component_asks_for_nothing_that_spin_does_not_grant() {
    scene(|_| {
        let guest = places::target()?.join("guest");
        let asked = imports(&guest.join("seawall-spin.wasm"))?;
        for name in &asked {
            let granted = GRANTED.iter().any(|granted| name.starts_with(granted));
            ensure!(granted, "{name} is asked for");
        }
        ensure!(asked.contains("fermyon:spin/variables@2.0.0"), "{asked:?}");
        // The half that speaks SQL knows of no environment, and of nobody it could send anything to.
        let edge = imports(&guest.join("wasm32-wasip2/component/edge.wasm"))?;
        for name in [
            "wasi:cli/",
            "wasi:http/client",
            "wasi:sockets/",
            "wasi:filesystem/",
        ] {
            let asked = edge.iter().find(|asked| asked.starts_with(name));
            ensure!(asked.is_none(), "the SQL half asks for {asked:?}");
        }
        ensure!(edge.contains("seawall:objects/store@0.1.0"), "{edge:?}");
        Ok(())
    });
}

struct Notes {
    edge: Edge,
}

impl Notes {
    fn start(scene: &Scene, replica: &Replica) -> Result<Self> {
        let component = places::target()?.join("guest/notes-spin.wasm");
        let edge = Edge::of_component(scene, &component, replica, &[])?;
        Ok(Self { edge })
    }

    fn url(&self) -> String {
        format!("http://{}/api/notes", self.edge.addr)
    }

    fn add(&self, text: &str) -> Result<u64> {
        let body = json!({ "text": text }).to_string();
        let answer = ureq::post(self.url()).send(body)?;
        let answer: Value = serde_json::from_str(&answer.into_body().read_to_string()?)?;
        answer["id"].as_u64().context("no id")
    }

    fn texts(&self) -> Result<Vec<String>> {
        let text = ureq::get(self.url()).call()?.into_body().read_to_string()?;
        let notes: Vec<Value> = serde_json::from_str(&text)?;
        let text = |note: &Value| note["text"].as_str().map(str::to_owned).context("no text");
        notes.iter().map(text).collect()
    }
}

#[test]
fn the_notes_of_an_unmodified_app_outlive_its_machine() {
    scene(|scene| {
        let weed = SeaweedFs::start()?;
        let replica = Replica::on_s3(weed.store);
        let notes = Notes::start(scene, &replica)?;
        for text in ["the first", "to go", "a third, with ü and \u{1F600}"] {
            notes.add(text)?;
        }
        ureq::delete(format!("{}/2", notes.url())).call()?;
        let kept = ["a third, with ü and \u{1F600}", "the first"];
        ensure!(notes.texts()? == kept, "{:?}", notes.texts()?);
        let page = ureq::get(format!("http://{}/", notes.edge.addr)).call()?;
        ensure!(
            page.into_body()
                .read_to_string()?
                .contains("<h1>Notes</h1>")
        );

        // Another process sees them at once, and both may write.
        let other = Notes::start(scene, &replica)?;
        ensure!(other.texts()? == kept);
        other.add("from elsewhere")?;
        ensure!(notes.texts()?.len() == 3);
        match ureq::post(notes.url()).send("{\"text\": \"\"}") {
            Err(ureq::Error::StatusCode(400)) => {}
            other => bail!("{other:?}"),
        }
        notes.edge.process.kill()?;
        other.edge.process.kill()?;

        // Nothing of it was on the machine.
        let later = Notes::start(scene, &replica)?;
        ensure!(later.texts()? == ["from elsewhere", kept[0], kept[1]]);
        let out = scene.fresh("restored.db");
        Program::Seawall.restore(scene, &replica, &out)?;
        let rows = sql(scene, &out, "SELECT text FROM notes ORDER BY id DESC")?.rows;
        ensure!(
            rows == [
                [json!("from elsewhere")],
                [json!(kept[0])],
                [json!(kept[1])]
            ]
        );
        Ok(())
    });
}
