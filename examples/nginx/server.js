'use strict';
// A server behind a proxy that tries the next one on 503: once it is told to stop, it answers everything new with 503,
// finishes what it has, and ends.

const http = require('node:http');

const port = Number(process.env.PORT);
let stopping = false;

const server = http.createServer((request, response) => {
  if (stopping) {
    response.writeHead(503, { Connection: 'close' });
    response.end('shutting down\n');
  } else if (request.url === '/slow') {
    setTimeout(() => response.end(`done by process ${process.pid}\n`), 1000);
  } else {
    response.end(request.url === '/health' ? 'ok\n' : `hello from process ${process.pid}\n`);
  }
});

process.on('SIGTERM', () => {
  if (stopping) return;
  stopping = true;
  console.log('told to stop: 503 for what is new');
  // The proxy has had its answer from elsewhere by now; what is left is in progress.
  setTimeout(() => server.close(() => console.log('all requests finished, goodbye')), 200);
});

server.listen(port, '127.0.0.1', () => console.log(`listening on port ${port}`));
