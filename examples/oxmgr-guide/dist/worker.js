'use strict';
// A job of 300 ms each second; at SIGTERM the job at hand is finished, and no other is begun.
let jobs = 0;
let busy = false;
let stopping = false;

function doJob() {
  jobs += 1;
  busy = true;
  console.log(`job ${jobs}: started`);
  setTimeout(() => {
    console.log(`job ${jobs}: done`);
    busy = false;
    if (stopping) process.exit(0);
    setTimeout(doJob, 700);
  }, 300);
}

process.on('SIGTERM', () => {
  console.log('told to stop');
  stopping = true;
  if (!busy) process.exit(0);
});
doJob();
