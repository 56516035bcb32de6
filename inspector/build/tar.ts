import { gzipSync } from 'node:zlib';

/** A gzipped tar archive (POSIX ustar) of plain files of root with the time 0. */
export function tarGz(files: readonly { readonly path: string; readonly content: Buffer }[]): Buffer {
  const parts = files.flatMap(({ path, content }) => {
    const rest = (512 - (content.length % 512)) % 512;
    return [header(path, content.length), content, Buffer.alloc(rest)];
  });
  // The content is compressed already.
  return gzipSync(Buffer.concat([...parts, Buffer.alloc(1024)]), { level: 1 });
}

function header(path: string, size: number): Buffer {
  const block = Buffer.alloc(512);
  const octal = (value: number, at: number, length: number) =>
    block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1');
  block.write(path, 0, 100, 'utf8');
  octal(0o644, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  block.write('        0', 148, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}
