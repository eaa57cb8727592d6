'use strict';
// What a tutorial shows: an HTTP server that has never heard of signals. /slow takes a second.
const http = require('node:http');

http.createServer((request, response) => {
  const answer = () => response.end(`pid=${process.pid}\npeer=${request.socket.remoteAddress}\n`);
  if (request.url === '/slow') setTimeout(answer, 1000);
  else answer();
}).listen(process.env.PORT);
