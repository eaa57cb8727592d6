// A file as PM2 reads it: `oxherd start ecosystem.config.js` starts it in one step.
module.exports = {
  apps: [
    {
      name: 'api',
      script: './server.js',
      exec_mode: 'cluster',
      instances: 2,
      kill_timeout: 5000,
      listen_timeout: 8000,
      wait_ready: true,
      max_memory_restart: '300M',
      env: { PORT: 3000, LEVEL: 'development' },
      env_production: { LEVEL: 'production' },
    },
    { name: 'worker', script: './worker.js', cron_restart: '0 3 * * *' },
  ],
};
