// A server that knows nothing of its supervisor.
const http = require('node:http');

http
  .createServer((request, response) => {
    response.end(request.url === '/health' ? 'ok\n' : `hello from ${process.pid}\n`);
  })
  .listen(process.env.PORT);
