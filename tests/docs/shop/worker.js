console.log('worker has taken 3 jobs');
setInterval(() => {}, 1000);
