'use strict';
// Puts jobs into the queue: node add.js 100

const { Queue } = require('bullmq');

async function main() {
  const queue = new Queue('mail', { connection: { host: '127.0.0.1', port: Number(process.env.REDIS_PORT ?? 6379) } });
  const count = Number(process.argv[2] ?? 1);
  await queue.addBulk(Array.from({ length: count }, (_, i) => ({ name: 'letter', data: { to: i } })));
  console.log(`${count} jobs added`);
  await queue.close();
}

main();
