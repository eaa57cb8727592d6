'use strict';
// A plain Node server that lets kept-alive clients go without cutting one off. Node's own server.close() ends idle
// connections at once, and a client may be about to use one. So at SIGTERM each connection gets one more answer, which
// says `Connection: close`; one that stays idle is ended after IDLE_MS.

const http = require('node:http');
const net = require('node:net');

const IDLE_MS = 2000;
const idleSince = new Map();  // socket -> when its last answer was sent; 0: a request is being worked on
let stopping = false;

const server = http.createServer((request, response) => {
  idleSince.set(request.socket, 0);
  response.on('close', () => {
    if (idleSince.has(request.socket)) idleSince.set(request.socket, Date.now());
  });
  const answer = (status, body) => {
    if (stopping) response.setHeader('Connection', 'close');
    response.statusCode = status;
    response.end(body);
  };
  if (request.url === '/health') answer(200, 'ok\n');
  else if (request.url === '/slow') setTimeout(answer, 1000, 200, `done by process ${process.pid}\n`);
  else answer(200, `hello from process ${process.pid}\n`);
});

server.on('connection', (socket) => {
  idleSince.set(socket, Date.now());
  socket.on('close', () => idleSince.delete(socket));
});

process.on('SIGTERM', () => {
  if (stopping) return;
  stopping = true;
  console.log(`told to stop: ${idleSince.size} connections have one more answer each`);
  // net's close, not http's: it ends no connection, and calls back when the last one has ended.
  net.Server.prototype.close.call(server, () => {
    console.log('all connections ended, goodbye');
    process.exit(0);
  });
  setInterval(() => {
    for (const [socket, since] of idleSince) {
      if (since !== 0 && Date.now() - since >= IDLE_MS) socket.end();
    }
  }, 100);
});

server.listen(process.env.PORT, '127.0.0.1', () => console.log(`listening on port ${process.env.PORT}`));
