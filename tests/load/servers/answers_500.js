'use strict';
// A new version in which every request fails.
require('node:http').createServer((request, response) => {
  response.statusCode = 500;
  response.end('no such table: users\n');
}).listen(process.env.PORT);
