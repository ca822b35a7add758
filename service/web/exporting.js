// Saves all results of a search as NDJSON. Checks whether the last line says that the export is complete.

import { Failure, isAborted, open } from './api.js';
import { exportParameters } from './parameters.js';
import { now, set } from './store.js';
import { zone } from './times.js';

let running = null;

export function cancelExport() {
  running?.abort();
  running = null;
  set({ exporting: null });
}

export async function startExport() {
  const { answer, token } = now();
  running = new AbortController();
  const { signal } = running;
  set({ exporting: { lines: 0 } });
  try {
    const reply = await open('api/conversations/export', { parameters: exportParameters(answer.sent, zone()), token, signal });
    const parts = await read(reply.body.getReader(), (lines) => set({ exporting: { lines } }));
    const isWhole = parts.last.includes('"export":{"complete":true');
    save(new Blob(parts.chunks, { type: 'application/x-ndjson' }));
    set({ exporting: { isDone: true, isWhole, lines: parts.lines - 1 } });
  } catch (failure) {
    if (isAborted(failure)) return;
    set({ exporting: { failure: failure instanceof Failure ? failure : new Failure('broken') } });
    if (!(failure instanceof Failure)) throw failure;
  }
}

async function read(reader, onProgress) {
  const chunks = [];
  let lines = 0;
  let last = '';
  const decoder = new TextDecoder();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    chunks.push(part.value);
    lines += part.value.reduce((sum, byte) => sum + (byte === 10 ? 1 : 0), 0);
    last = (last + decoder.decode(part.value, { stream: true })).slice(-4000);
    onProgress(lines);
  }
  return { chunks, lines, last: last.trimEnd().split('\n').at(-1) ?? '' };
}

function save(blob) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = `conversations-${new Date().toISOString().slice(0, 10)}.ndjson`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
