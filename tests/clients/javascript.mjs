// What a user of @libsql/client does, against the address in URL with the token in TOKEN. Prints each
// thing that works; the first that does not ends it with an error.

import assert from "node:assert/strict";
import { createClient } from "@libsql/client/http";

const options = { url: process.env.URL, authToken: process.env.TOKEN };
const client = createClient({ ...options, intMode: "bigint" });

async function refused(promise, code) {
  try {
    await promise;
  } catch (error) {
    assert.equal(error.code, code, String(error));
    return error;
  }
  assert.fail(`done, though ${code} was expected`);
}

const sections = {
  async types() {
    await client.execute("CREATE TABLE kinds (i INTEGER, r REAL, t TEXT, b BLOB, n)");
    const values = [2n ** 63n - 1n, 0.1, "ü \u{1F600} \0 end", new Uint8Array([0, 255, 7]), null];
    await client.execute({ sql: "INSERT INTO kinds VALUES (?, ?, ?, ?, ?)", args: values });
    const { rows, columns } = await client.execute("SELECT * FROM kinds");
    assert.deepEqual(columns, ["i", "r", "t", "b", "n"]);
    const [row] = rows;
    assert.equal(row.i, values[0]);
    assert.equal(row.r, values[1]);
    assert.equal(row.t, values[2]);
    assert.deepEqual(new Uint8Array(row.b), values[3]);
    assert.equal(row.n, null);
    const named = { sql: "SELECT :one AS one, $two AS two", args: { one: 1, two: "zwei" } };
    assert.deepEqual({ ...(await client.execute(named)).rows[0] }, { one: 1, two: "zwei" });
  },

  async results() {
    await client.execute("CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT UNIQUE)");
    const first = await client.execute("INSERT INTO items (name) VALUES ('a'), ('b')");
    assert.equal(first.rowsAffected, 2);
    assert.equal(first.lastInsertRowid, 2n);
    const back = await client.execute("DELETE FROM items WHERE id = 1 RETURNING name");
    assert.equal(back.rows[0].name, "a");
  },

  async batches() {
    const results = await client.batch(
      [
        "CREATE TABLE numbers (n INTEGER)",
        { sql: "INSERT INTO numbers VALUES (?), (?)", args: [1, 2] },
        "SELECT sum(n) AS sum FROM numbers",
      ],
      "write",
    );
    assert.equal(results[2].rows[0].sum, 3n);
    const failed = client.batch(
      ["INSERT INTO numbers VALUES (3)", "INSERT INTO items (id) VALUES (2)"],
      "write",
    );
    await refused(failed, "SQLITE_CONSTRAINT_PRIMARYKEY");
    const { rows } = await client.execute("SELECT count(*) AS count FROM numbers");
    assert.equal(rows[0].count, 2n);
    const seen = await client.batch(["SELECT count(*) AS c FROM numbers", "SELECT 1 AS one"], "read");
    assert.equal(seen[0].rows[0].c, 2n);
    await client.executeMultiple("CREATE TABLE many (n); INSERT INTO many VALUES (1);");
    await client.migrate(["ALTER TABLE many ADD COLUMN more", "UPDATE many SET more = 2"]);
    assert.equal((await client.execute("SELECT more FROM many")).rows[0].more, 2n);
  },

  async transactions() {
    const kept = await client.transaction("write");
    await kept.execute("INSERT INTO numbers VALUES (10)");
    const inside = await kept.execute("SELECT count(*) AS count FROM numbers");
    assert.equal(inside.rows[0].count, 3n);
    // Nobody else sees it yet.
    const outside = await client.execute("SELECT count(*) AS count FROM numbers");
    assert.equal(outside.rows[0].count, 2n);
    await kept.commit();
    const dropped = await client.transaction("write");
    await dropped.execute("DELETE FROM numbers");
    await dropped.rollback();
    const { rows } = await client.execute("SELECT count(*) AS count FROM numbers");
    assert.equal(rows[0].count, 3n);
  },

  async conflicts() {
    const loser = await client.transaction("write");
    await loser.execute("UPDATE numbers SET n = n + 100 WHERE n = 1");
    await client.execute("UPDATE numbers SET n = n + 1 WHERE n = 2");
    await refused(loser.commit(), "SQLITE_BUSY");
    loser.close();
    const again = await client.transaction("write");
    await again.execute("UPDATE numbers SET n = n + 100 WHERE n = 1");
    await again.commit();
    const { rows } = await client.execute("SELECT n FROM numbers ORDER BY n");
    assert.deepEqual(rows.map((row) => row.n), [3n, 10n, 101n]);
  },

  async errors() {
    await refused(client.execute("SELEC 1"), "SQLITE_ERROR");
    await refused(client.execute("SELECT * FROM nothing"), "SQLITE_ERROR");
    await refused(client.execute("INSERT INTO items (name) VALUES ('b')"), "SQLITE_CONSTRAINT_UNIQUE");
    await refused(client.execute("ATTACH 'x' AS x"), "SQLITE_AUTH");
    const stranger = createClient({ ...options, authToken: "wrong" });
    await refused(stranger.execute("SELECT 1"), "UNAUTHORIZED");
    stranger.close();
  },

  async concurrency() {
    await client.execute("CREATE TABLE hits (n INTEGER)");
    await client.execute("INSERT INTO hits VALUES (0)");
    const hit = async () => {
      for (;;) {
        try {
          return await client.execute("UPDATE hits SET n = n + 1");
        } catch (error) {
          if (error.code !== "SQLITE_BUSY") throw error;
        }
      }
    };
    const reads = Array.from({ length: 20 }, () => client.execute("SELECT n FROM hits"));
    await Promise.all([...Array.from({ length: 20 }, hit), ...reads]);
    assert.equal((await client.execute("SELECT n FROM hits")).rows[0].n, 20n);
  },
};

const left = new Set((process.env.WITHOUT ?? "").split(",").filter(Boolean));
for (const [name, section] of Object.entries(sections)) {
  if (left.has(name)) continue;
  await section();
  console.log(`${name}: ok`);
}
client.close();
