require('node:http')
  .createServer((request, response) => response.end('hello\n'))
  .listen(3000, () => console.log('api listens on 3000'));
