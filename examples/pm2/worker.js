// Work that never ends.
setInterval(() => console.log('tick'), 1000);
