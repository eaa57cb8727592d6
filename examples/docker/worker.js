// Stands for something that fetches jobs.
const timer = setInterval(() => console.log('worker: one job done'), 5000);
console.log('worker: waiting for jobs');
process.on('SIGTERM', () => clearInterval(timer));
