/** Writes a run's report; the file appears complete or not at all. */
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import type { RunRecord } from './record.js';
import { renderReport } from './renderReport.js';

/** @param path of the HTML file; missing folders are made */
export async function writeReport(record: RunRecord, path: string): Promise<void> {
  const page = renderReport(record);
  await mkdir(dirname(path), { recursive: true });
  await writeFileAtomic(path, page);
}
