/**
 * A worker that asks `/livez` every 10 ms from a thread of its own, so that what the test does meanwhile is not measured. It
 * is given the address; asked again it answers with how long each answer took, in milliseconds, and ends.
 */
declare const self: Worker;

const took: number[] = [];
let ended = false;

async function watch(url: string): Promise<void> {
  while (!ended) {
    const began = performance.now();
    await (await fetch(`${url}/livez`)).text();
    took.push(performance.now() - began);
    await Bun.sleep(10);
  }
  postMessage(took.toSorted((a, b) => a - b));
}

self.addEventListener("message", ({ data }: MessageEvent<string | null>) => {
  if (data === null) ended = true;
  else void watch(data);
});
