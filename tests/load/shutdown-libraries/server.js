'use strict';
// One small server with each of the ways to end it that guides to graceful shutdown name: node server.js WAY

const http = require('node:http');

const way = process.argv[2];
const body = () => `pid=${process.pid}\n`;
const plain = (request, response) => response.end(body());
const exit = () => process.exit(0);
const onTerm = (stop) => process.once('SIGTERM', stop);
const listen = (server) => server.listen(process.env.PORT);

const ways = {
  'nothing at all': () => listen(http.createServer(plain)),

  'server.close': () => {
    const server = listen(http.createServer(plain));
    onTerm(() => server.close(exit));
  },

  'closeIdleConnections': () => {
    let stopping = false;
    const server = listen(http.createServer((request, response) => {
      response.on('finish', () => stopping && setImmediate(() => server.closeIdleConnections()));
      plain(request, response);
    }));
    onTerm(() => {
      stopping = true;
      server.close(exit);
      server.closeIdleConnections();
    });
  },

  'http-terminator': () => {
    const server = listen(http.createServer(plain));
    const terminator = require('http-terminator').createHttpTerminator({ server });
    onTerm(() => terminator.terminate().then(exit));
  },

  'http-graceful-shutdown': () => {
    require('http-graceful-shutdown')(listen(http.createServer(plain)));
  },

  '@moebius/http-graceful-shutdown': () => {
    const { GracefulShutdownManager } = require('@moebius/http-graceful-shutdown');
    const manager = new GracefulShutdownManager(listen(http.createServer(plain)));
    onTerm(() => manager.terminate(exit));
  },

  'http-shutdown': () => {
    const server = listen(require('http-shutdown')(http.createServer(plain)));
    onTerm(() => server.shutdown(exit));
  },

  'killable': () => {
    const server = listen(http.createServer(plain));
    require('killable')(server);
    onTerm(() => server.kill(exit));
  },

  'Express, 503 when stopping': () => {
    const app = require('express')();
    let stopping = false;
    app.use((request, response, next) => {
      if (!stopping) return next();
      response.set('Connection', 'close');
      response.status(503).send('shutting down\n');
    });
    app.get('/', (request, response) => response.send(body()));
    const server = listen(app);
    onTerm(() => {
      stopping = true;
      server.close(exit);
    });
  },

  'Koa, server.close': () => {
    const app = new (require('koa'))();
    app.use((context) => { context.body = body(); });
    const server = listen(app);
    onTerm(() => server.close(exit));
  },

  'Connection: close in the last answer': () => {
    let stopping = false;
    const server = listen(http.createServer((request, response) => {
      if (stopping) response.setHeader('Connection', 'close');
      plain(request, response);
    }));
    onTerm(() => {
      stopping = true;
      require('node:net').Server.prototype.close.call(server, exit);  // leaves idle connections alone
    });
  },
};

ways[way]();
