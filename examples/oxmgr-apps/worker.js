// Work that never ends.
console.log(`worker ${process.env.WORKER} begins`);
setInterval(() => console.log('tick'), 1000);
