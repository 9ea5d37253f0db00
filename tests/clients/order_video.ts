// A program that uses the client which @hey-api/openapi-ts generates: it makes a video of an image and
// deletes its account.
import * as studio from './studio_client';
import { client } from './studio_client/client.gen';

declare const process: { argv: string[] };
const [username, password, initialImage] = process.argv.slice(2) as [string, string, string];
const FINAL = ['SUCCEEDED', 'FAILED', 'CANCELLED'];

async function main() {
  const { data: tokens } = await studio.logIn({ body: { username, password }, throwOnError: true });
  client.setConfig({ auth: tokens.access });
  const { data: models } = await studio.listVideoModels({ throwOnError: true });

  const order: studio.CreateVideoJobRequest = {
    prompt: 'A kite',
    model: models.models[0]!.id,
    resolution: '720p',
    aspectRatio: '16:9',
    mockMode: true,
    negativePrompt: 'rain',
    seed: 4_294_967_295,
    private: true,
    initialImage,
  };
  const { error, response } = await studio.createVideoJob({ body: { ...order, model: 'none' } });
  const { data: created } = await studio.createVideoJob({ body: order, throwOnError: true });

  let job: studio.VideoJob = created;
  while (!FINAL.includes(job.status)) {
    await new Promise(resolve => setTimeout(resolve, 200));
    job = (await studio.getVideoJob({ path: { id: job.id }, throwOnError: true })).data;
  }

  const change = { path: { id: job.id }, body: { private: false }, throwOnError: true } as const;
  const { data: shown } = await studio.updateVideoJob(change);
  const query = { status_filter: 'SUCCEEDED,FAILED', limit: 10 };
  const { data: list } = await studio.listVideoJobs({ query, throwOnError: true });
  const { data: entries } = await studio.listTokenEntries({ throwOnError: true });
  const { data: video } = await studio.downloadVideo({ path: { id: job.id }, throwOnError: true });
  const gone = await studio.deleteAccount({ body: { password } });

  console.log(JSON.stringify({
    refused: [response?.status, error?.code],
    jobs: [job],
    private: [job.private, shown.private],
    listed: list.jobs.map(each => each.id),
    kinds: entries.entries.map(each => each.kind),
    deleted: gone.response?.status,
    start: [...new Uint8Array(await video.slice(4, 8).arrayBuffer())],
  }));
}

main();
