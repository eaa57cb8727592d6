// As PM2's documentation shows it: ready is said, SIGINT is the end.
const http = require('node:http');

const server = http.createServer((request, response) => {
  response.end(`${process.env.LEVEL} ${process.env.NODE_APP_INSTANCE}\n`);
});
server.listen(process.env.PORT, () => process.send?.('ready'));

process.on('SIGINT', () => server.close(() => process.exit(0)));
