//! Notes on a page: an ordinary Spin app with an ordinary SQLite database. Where that database lives is
//! the manifest's business.

use serde::{Deserialize, Serialize};
use spin_sdk::http::{Method, Request, Response, StatusCode};
use spin_sdk::http_service;
use spin_sdk::sqlite::{Connection, Value};

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS notes (
    id INTEGER PRIMARY KEY,
    text TEXT NOT NULL,
    written TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP)";

/// The longest note, bytes.
const LONGEST: usize = 10_000;

#[derive(Serialize)]
struct Note {
    id: i64,
    text: String,
    written: String,
}

#[derive(Deserialize)]
struct NewNote {
    text: String,
}

#[http_service]
async fn handle(request: Request) -> Response<String> {
    let answered = answer(request).await;
    answered.unwrap_or_else(|error| plain(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()))
}

async fn answer(request: Request) -> anyhow::Result<Response<String>> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    match (method, path.as_str()) {
        (Method::GET, "/") => Ok(typed(StatusCode::OK, "text/html; charset=utf-8", PAGE)),
        (Method::GET, "/api/notes") => {
            let notes = serde_json::to_string(&notes().await?)?;
            Ok(typed(StatusCode::OK, "application/json", &notes))
        }
        (Method::POST, "/api/notes") => {
            let note: NewNote = match serde_json::from_slice(&body(request).await?) {
                Ok(note) => note,
                Err(error) => return Ok(plain(StatusCode::BAD_REQUEST, &error.to_string())),
            };
            if note.text.trim().is_empty() || note.text.len() > LONGEST {
                let text = format!("a note has 1 to {LONGEST} bytes");
                return Ok(plain(StatusCode::BAD_REQUEST, &text));
            }
            let id = add(note.text).await?;
            let id = serde_json::json!({ "id": id }).to_string();
            Ok(typed(StatusCode::CREATED, "application/json", &id))
        }
        (Method::DELETE, path) => match path.strip_prefix("/api/notes/").map(str::parse) {
            Some(Ok(id)) if remove(id).await? => Ok(plain(StatusCode::NO_CONTENT, "")),
            _ => Ok(plain(StatusCode::NOT_FOUND, "there is no such note")),
        },
        _ => Ok(plain(StatusCode::NOT_FOUND, "there is nothing here")),
    }
}

async fn connect() -> anyhow::Result<Connection> {
    let connection = Connection::open_default().await?;
    run(&connection, SCHEMA, []).await?;
    Ok(connection)
}

async fn run<const N: usize>(
    connection: &Connection,
    sql: &str,
    values: [Value; N],
) -> anyhow::Result<()> {
    connection.execute(sql, values).await?.result().await?;
    Ok(())
}

async fn notes() -> anyhow::Result<Vec<Note>> {
    let connection = connect().await?;
    let select = "SELECT id, text, written FROM notes ORDER BY id DESC LIMIT 100";
    let mut found = connection.execute(select, []).await?;
    let mut notes = Vec::new();
    while let Some(row) = found.next().await {
        let text = |index| row.get::<&str>(index).unwrap_or_default().to_owned();
        notes.push(Note {
            id: row.get(0).unwrap_or_default(),
            text: text(1),
            written: text(2),
        });
    }
    found.result().await?;
    Ok(notes)
}

async fn add(text: String) -> anyhow::Result<i64> {
    let connection = connect().await?;
    let insert = "INSERT INTO notes (text) VALUES (?)";
    run(&connection, insert, [Value::Text(text)]).await?;
    Ok(connection.last_insert_rowid().await)
}

async fn remove(id: i64) -> anyhow::Result<bool> {
    let connection = connect().await?;
    run(
        &connection,
        "DELETE FROM notes WHERE id = ?",
        [Value::Integer(id)],
    )
    .await?;
    Ok(connection.changes().await > 0)
}

fn typed(status: StatusCode, content_type: &str, body: &str) -> Response<String> {
    let mut response = Response::new(body.to_owned());
    *response.status_mut() = status;
    if let Ok(value) = content_type.parse() {
        response.headers_mut().insert("content-type", value);
    }
    response
}

fn plain(status: StatusCode, text: &str) -> Response<String> {
    typed(status, "text/plain; charset=utf-8", text)
}

async fn body(request: Request) -> anyhow::Result<Vec<u8>> {
    use spin_sdk::http::body::IncomingBodyExt;
    Ok(request.into_body().bytes().await?.to_vec())
}

const PAGE: &str = include_str!("page.html");
