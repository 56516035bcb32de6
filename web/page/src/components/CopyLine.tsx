import { useEffect, useRef, useState } from 'preact/hooks';

/** A command to take along: shown whole, copied by a button. `what` says what it does. */
export function CopyLine({ what, line }: { readonly what: string; readonly line: string }) {
  const [said, setSaid] = useState<'' | 'copied' | 'select'>('');
  const code = useRef<HTMLElement>(null);
  useEffect(() => {
    if (said === '') return;
    const timer = setTimeout(() => setSaid(''), 2500);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(line);
      setSaid('copied');
    } catch {
      // Without TLS and beyond loopback a page may not write to the clipboard: the line is selected for Ctrl-C.
      if (code.current) getSelection()?.selectAllChildren(code.current);
      setSaid('select');
    }
  };
  return (
    <div class="copy">
      <span class="copy-what">{what}</span>
      <div class="copy-line">
        <code ref={code} tabIndex={0} role="group" aria-label={what}>
          {line}
        </code>
        <button type="button" class="small" onClick={() => void copy()} aria-label={`Copy: ${what}`}>
          {said === 'copied' ? 'copied' : said === 'select' ? 'Ctrl-C' : 'copy'}
        </button>
      </div>
    </div>
  );
}
