// Finishes what it works on when it is told to stop, as docker stop and a reload do.
const http = require('http');

const server = http.createServer((request, response) => {
  response.end(request.url === '/health' ? 'ok\n' : `hello from ${process.env.OXHERD_INSTANCE_ID}\n`);
});
server.listen(3000, () => console.log('api: listening'));
process.on('SIGTERM', () => server.close(() => process.exit(0)));
