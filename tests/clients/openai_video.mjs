// A program that uses openai-node: it makes a video of an image, downloads and deletes it.
//
//     openai_video.mjs BASE_URL API_KEY MODEL IMAGE
import fs from 'node:fs';
import OpenAI from 'openai';

const [baseURL, apiKey, model, image] = process.argv.slice(2);
const { videos } = new OpenAI({ baseURL, apiKey });
const order = { prompt: 'A kite', model, seconds: '4', mockMode: true };
const refusal = async (call) => call.then(() => null, (error) => error);
const start = async (call) => [...new Uint8Array(await (await call).arrayBuffer()).slice(0, 8)];

const refused = await refusal(videos.create({ ...order, size: '1024x1792' }));
const input_reference = fs.createReadStream(image);
const video = await videos.create({ ...order, size: '1280x720', input_reference });

const statuses = [video.status];
const pace = new Set();
while (['queued', 'in_progress'].includes(statuses.at(-1))) {
  const { data, response } = await videos.retrieve(video.id).withResponse();
  statuses.push(data.status);
  if (data.status === 'completed' || data.status === 'failed') break;
  pace.add(response.headers.get('openai-poll-after-ms'));
  await new Promise((resume) => setTimeout(resume, 300));
}

const seen = { id: video.id, statuses, pace: [...pace] };
seen.refused = [refused.status, refused.param, refused.code];
seen.video = await start(videos.downloadContent(video.id));
seen.thumbnail = await start(videos.downloadContent(video.id, { variant: 'thumbnail' }));
seen.listed = [];
for await (const each of videos.list({ limit: 1 })) seen.listed.push(each.id);
seen.deleted = (await videos.delete(video.id)).deleted;
const missing = await refusal(videos.retrieve(video.id));
seen.missing = [missing.status, missing.code];
console.log(JSON.stringify(seen));
