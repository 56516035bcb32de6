import { spawn, type ChildProcess } from 'node:child_process';

/**
 * Children must not outlive us, however we end, SIGKILL included. A shell in a session of its own reads from a pipe
 * what is running; the pipe closes when we are gone, and then it asks what is left to end, kills it 5 s later, and
 * removes our temporary folders.
 *
 * It knows pids only, so that it holds to those that its parent told it of. A negative one stands for a process group,
 * as for kill(1).
 */
const SCRIPT = `
trap '' INT TERM HUP
pids= ; folders=
while read -r verb what; do
  case $verb in
    begin) pids="$pids $what" ;;
    end) left= ; for pid in $pids; do [ "$pid" = "$what" ] || left="$left $pid"; done; pids=$left ;;
    folder) folders="$folders
$what" ;;
    keep) folders=$(printf '%s\\n' "$folders" | grep -vxF "$what") ;;
  esac
done
for pid in $pids; do kill -TERM "$pid" 2>/dev/null; done
for round in 1 2 3 4 5 6 7 8 9 10; do
  left= ; for pid in $pids; do kill -0 "$pid" 2>/dev/null && left=1; done
  [ -z "$left" ] && break
  sleep 0.5
done
for pid in $pids; do kill -KILL "$pid" 2>/dev/null; done
printf '%s\\n' "$folders" | while read -r folder; do [ -n "$folder" ] && rm -rf -- "$folder"; done
`;

let shell: ChildProcess | undefined;

/** The process `pid` is to end with us, from now until `released`. */
export function watch(pid: number): void {
  tell(`begin ${pid}`);
}

/** The process has ended: its number may be another one's soon. */
export function release(pid: number): void {
  tell(`end ${pid}`);
}

/** The process group that `pid` leads is to end with us, from now until `releaseGroup`. */
export function watchGroup(pid: number): void {
  tell(`begin ${-pid}`);
}

/** The process group is empty. */
export function releaseGroup(pid: number): void {
  tell(`end ${-pid}`);
}

/** A temporary folder that is to go with us; its path has no line break. */
export function watchFolder(folder: string): void {
  tell(`folder ${folder}`);
}

/** The folder was removed in order. */
export function releaseFolder(folder: string): void {
  tell(`keep ${folder}`);
}

function tell(line: string): void {
  shell ??= startShell();
  shell.stdin?.write(`${line}\n`);
}

function startShell(): ChildProcess {
  const child = spawn('/bin/sh', ['-c', SCRIPT], { detached: true, stdio: ['pipe', 'ignore', 'ignore'], cwd: '/' });
  // A watchdog that cannot run must not stop us, and must not keep us running.
  child.on('error', () => undefined);
  child.stdin.on('error', () => undefined);
  child.unref();
  (child.stdin as unknown as { unref?: () => void }).unref?.();
  return child;
}
