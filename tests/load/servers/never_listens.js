'use strict';
// A new version that waits for something that never comes.
setInterval(() => {}, 1000);
console.log('connecting to the database');
