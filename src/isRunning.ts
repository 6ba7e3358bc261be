/** Whether another process of this machine is alive. */

/** @param pid positive: 0 and below stand for groups of processes */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0); // which only asks
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
