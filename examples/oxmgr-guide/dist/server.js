'use strict';
const http = require('node:http');

const port = Number(process.env.PORT ?? 3000);
const server = http.createServer((request, response) => response.end('hello\n'));
server.listen(port, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${port}`));

process.on('SIGTERM', () => {
  console.log('told to stop');
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
