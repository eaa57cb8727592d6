'use strict';
// An ordinary Express server that can be stopped and replaced without a client noticing.
// PORT: where to listen. HANG=1: /slow never answers, to see what the supervisor does then.

const express = require('express');

const port = Number(process.env.PORT ?? 4000);
const hang = process.env.HANG === '1';
const app = express();
let stopping = false;

// A kept-alive connection must not outlive the answer that is its last.
app.use((request, response, next) => {
  response.on('finish', () => stopping && setImmediate(() => server.closeIdleConnections()));
  next();
});

app.get('/', (request, response) => {
  response.send(`hello from ${process.env.OXHERD_INSTANCE_ID ?? 0}, process ${process.pid}\n`);
});

app.get('/health', (request, response) => {
  response.status(stopping ? 503 : 200).send(stopping ? 'shutting down\n' : 'ok\n');
});

app.get('/slow', (request, response) => {
  console.log('slow: started');
  if (hang) return;
  setTimeout(() => response.send(`done by process ${process.pid}\n`), 2000);
});

const server = app.listen(port, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${port}`);
});
server.on('error', (error) => {
  console.error(`cannot listen on port ${port}: ${error.message}`);
  process.exit(1);
});

process.on('SIGTERM', () => {
  if (stopping) return;
  stopping = true;
  console.log('told to stop: finishing what is in flight');
  server.close(() => {
    console.log('all requests finished, goodbye');
    process.exit(0);
  });
  server.closeIdleConnections();
});
