// A Sparkplug edge node on Eclipse Tahu's client: births, data by alias, compressed ones too, and an application that obeys.
//
//   node edge.js PORT GROUP NODE
'use strict';

const sparkplug = require('sparkplug-client');

const [port, group, node] = process.argv.slice(2);
let restarts = 0;
let setpoint = 20.0;

const birth = () => ({
  timestamp: Date.now(),
  metrics: [
    { name: 'Node Control/Rebirth', type: 'Boolean', value: false },
    { name: 'Node Control/Reboot', type: 'Boolean', value: false },
    { name: 'Properties/Hardware Make', type: 'String', value: 'Acme' },
    { name: 'Properties/Hardware Model', type: 'String', value: 'Gateway 5' },
    { name: 'Properties/FW', type: 'String', value: '1.4.2' },
    { name: 'restarts', type: 'Int64', value: restarts },
  ],
});

const device = (count) => ({
  timestamp: Date.now(),
  metrics: [
    { name: 'Boiler/Temperature 1', alias: 7, type: 'Double', value: 21.5, properties: { engUnit: { type: 'String', value: '°C' } } },
    { name: 'count', alias: 8, type: 'Int32', value: count },
    { name: 'setpoint', alias: 9, type: 'Float', value: setpoint },
  ],
});

function run() {
  const client = sparkplug.newClient({
    serverUrl: `mqtt://127.0.0.1:${port}`, username: '', password: '', groupId: group, edgeNode: node,
    clientId: `edge-${node}`, publishDeath: true,
  });
  let count = -3;
  let born = false;
  client.on('birth', () => {
    client.publishNodeBirth(birth());
    client.publishDeviceBirth('D 1', device(count));
    born = true;
  });
  client.on('ncmd', (payload) => {
    for (const metric of payload.metrics) {
      if (metric.name === 'Node Control/Rebirth' && metric.value) {
        client.publishNodeBirth(birth());
        client.publishDeviceBirth('D 1', device(count));
      } else if (metric.name === 'Node Control/Reboot' && metric.value) {
        clearInterval(timer);
        client.stop();
        restarts += 1;
        setTimeout(run, 400);
      }
    }
  });
  client.on('dcmd', (id, payload) => {
    for (const metric of payload.metrics.filter((one) => one.name === 'setpoint')) {
      setpoint = metric.value;
      client.publishDeviceData(id, { timestamp: Date.now(), metrics: [{ alias: 9, type: 'Float', value: setpoint }] });
    }
  });
  const timer = setInterval(() => {
    if (!born) return;
    count += 1;
    const options = [{}, { compress: true }, { compress: true, algorithm: 'GZIP' }, {}][((count % 4) + 4) % 4];
    const metrics = [{ alias: 7, type: 'Double', value: count / 4 }, { alias: 8, type: 'Int32', value: count }];
    client.publishDeviceData('D 1', { timestamp: Date.now(), metrics }, options);
  }, 50);
}

run();
