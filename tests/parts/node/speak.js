// A device on mqtt.js, MQTT 5: publishes what it is told, one message a line, and ends.
//
//   node speak.js PORT   reads lines {"topic", "type", "text" | "hex"} from the file named by SPEAK
'use strict';

const fs = require('fs');
const mqtt = require('mqtt');

const lines = fs.readFileSync(process.env.SPEAK, 'utf8').split('\n').filter((line) => line);
const client = mqtt.connect(`mqtt://127.0.0.1:${process.argv[2]}`, { protocolVersion: 5, clientId: 'mqtt-js' });

client.on('connect', async () => {
  for (const line of lines) {
    const { topic, type, text, hex } = JSON.parse(line);
    const payload = hex === undefined ? text : Buffer.from(hex, 'hex');
    await client.publishAsync(topic, payload, { qos: 1, properties: type ? { contentType: type } : {} });
  }
  await client.endAsync();
});
