'use strict';
// Express on PostgreSQL. Each visit is a row that takes a moment to write. At SIGTERM: what was asked is answered, then the
// pool gives its connections back. The database is where PGHOST, PGPORT, PGUSER and PGDATABASE say.

const express = require('express');
const { Pool } = require('pg');

const pool = new Pool({ max: 5, application_name: 'oxherd-example' });
const app = express();
let stopping = false;

app.use((request, response, next) => {
  if (stopping) response.set('Connection', 'close');
  next();
});

app.get('/health', async (request, response) => {
  await pool.query('SELECT 1');
  response.send('ok\n');
});

app.get('/', async (request, response, next) => {
  try {
    const { rows } = await pool.query(
      'INSERT INTO visits (process, pause) SELECT $1, pg_sleep(0.05)::text RETURNING id', [process.pid]);
    response.send(`process ${process.pid}\nvisit ${rows[0].id}\n`);
  } catch (error) {
    next(error);
  }
});

async function main() {
  // Two instances may boot at the same moment; the lock lets one of them make the table.
  await pool.query(`BEGIN; SELECT pg_advisory_xact_lock(4300);
    CREATE TABLE IF NOT EXISTS visits (id bigserial PRIMARY KEY, process int, pause text); COMMIT`);
  const server = app.listen(process.env.PORT, '127.0.0.1', () => console.log(`listening on port ${process.env.PORT}`));

  process.on('SIGTERM', () => {
    if (stopping) return;
    stopping = true;
    console.log('told to stop');
    server.close(async () => {
      await pool.end();
      console.log('all queries finished, goodbye');
    });
  });
}

main().catch((error) => {
  console.error(`cannot start: ${error.message}`);
  process.exit(1);
});
