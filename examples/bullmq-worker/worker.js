'use strict';
// A worker on a BullMQ queue. At SIGTERM it takes no more jobs and ends when those that it has are done.
// Redis is at REDIS_PORT of this machine. Each job's runs are counted in the hash `runs`, to see that it ran once.

const { Worker } = require('bullmq');

const connection = { host: '127.0.0.1', port: Number(process.env.REDIS_PORT ?? 6379), maxRetriesPerRequest: null };

const worker = new Worker('mail', async (job) => {
  const redis = await worker.client;
  await redis.hincrby('begun', job.id, 1);
  await new Promise((resolve) => setTimeout(resolve, 200));
  await redis.hincrby('done', job.id, 1);
}, { connection, concurrency: 5 });

worker.on('error', (error) => console.error(error.message));
worker.waitUntilReady().then(() => {
  console.log('ready for jobs');
  process.send?.('ready');  // under Oxherd: ready = "notify"
});

process.once('SIGTERM', async () => {
  console.log('told to stop: finishing the jobs in progress');
  await worker.close();
  console.log('all jobs done, goodbye');
  process.exit(0);
});
