// Runs the integration guide's client, which examples/frontend/video-generation.js holds unchanged.
// node use_client.js SCENARIO API_BASE TOKEN    prints what happened as one line of JSON

const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const vm = require('node:vm');

const source = readFileSync(join(__dirname, '../../examples/frontend/video-generation.js'), 'utf8');
const VideoGenerationClient = vm.runInThisContext(`${source}\nVideoGenerationClient`);

const [scenario, base, token] = process.argv.slice(2);
const client = new VideoGenerationClient(base, token);

const sunset = {
  prompt: 'A sunset over mountains',
  model: 'veo-3.1-fast-generate-preview',
  resolution: '1080p',
  aspectRatio: '16:9',
  durationSeconds: 8
};

const ended = (job) => job.status !== 'PENDING' && job.status !== 'RUNNING';
const followed = (job) => new Promise((resolve) => {
  const updates = [];
  client.pollJob(job.id, (update) => {
    updates.push(update);
    if (ended(update)) resolve(updates);
  });
});

const scenarios = {
  async usage() {
    const created = await client.createJob(sunset);
    const updates = await followed(created);
    const all = await client.listJobs();
    const succeeded = await client.listJobs('SUCCEEDED', 10);
    const failed = await client.listJobs('FAILED');
    await client.deleteJob(created.id);
    const left = await client.listJobs();
    return { created, updates, all, succeeded, failed, left };
  },

  async images() {
    const picture = (name) => new File([readFileSync(0)], name, { type: 'image/png' });
    const image = picture('first.png');
    const framed = await client.createJob({ ...sunset, initialImage: image, endFrame: image });
    const guided = await client.createJob({ ...sunset, referenceImages: [image, image] });
    return { framed, guided };
  },

  async refusals() {
    const refused = [];
    for (const change of [{}, { resolution: '480p' }]) {
      await client.createJob({ ...sunset, ...change }).catch((error) => refused.push(error.message));
    }
    return { refused };
  }
};

scenarios[scenario]().then((outcome) => console.log(JSON.stringify(outcome)));
