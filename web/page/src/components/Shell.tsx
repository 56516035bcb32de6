import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { useTheme } from '../theme.ts';
import type { LinkState } from '../data/live.ts';

interface Props {
  /** Which entry of the menu is the current one. */
  readonly at: 'fleet' | 'machines' | 'failures' | '';
  readonly link: LinkState;
  /** Who is logged in; absent in the embedded set-up. */
  readonly user?: string | undefined;
  readonly logOut?: (() => void) | undefined;
  readonly children: ComponentChildren;
}

const LINKS = [
  { id: 'fleet', href: '#/hosts', text: 'Fleet' },
  { id: 'machines', href: '#/machines', text: 'Machines' },
  { id: 'failures', href: '#/failures', text: 'Failures' },
] as const;
const SAYS: Record<LinkState, { text: string; tone: string }> = {
  live: { text: 'live', tone: 'good' },
  connecting: { text: 'connecting', tone: 'warn' },
  lost: { text: 'not connected, trying again', tone: 'bad' },
};
const THEMES = { system: 'Auto', light: 'Light', dark: 'Dark' } as const;

/** What stands around every view: the menu, whether what is shown is live, the theme, who is logged in. */
export function Shell({ at, link, user, logOut, children }: Props) {
  const [theme, nextTheme] = useTheme();
  const main = useRef<HTMLElement>(null);
  useEffect(() => {
    const follow = () => {
      // A new view starts at its top, for the eye and for a screen reader.
      if (!location.hash.includes('?')) {
        scrollTo(0, 0);
        main.current?.focus({ preventScroll: true });
      }
    };
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);
  return (
    <>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          main.current?.focus();
        }}
      >
        To the content
      </a>
      <header class="top">
        <a class="brand" href="#/hosts" aria-label="Beskar7: to the fleet">
          <img src="./icon.svg" alt="" />
          <span>Beskar7</span>
        </a>
        <nav aria-label="Views">
          <ul>
            {LINKS.map(({ id, href, text }) => (
              <li key={id}>
                <a href={href} aria-current={id === at ? 'page' : undefined}>
                  {text}
                </a>
              </li>
            ))}
          </ul>
        </nav>
        <div class="top-end">
          <span class="live" role="status" title={SAYS[link].text}>
            <span class="dot" data-tone={SAYS[link].tone} />
            <span class="live-text">{SAYS[link].text}</span>
          </span>
          <button type="button" class="small" onClick={nextTheme} aria-label={`Colours: ${THEMES[theme]}. Change`}>
            {THEMES[theme]}
          </button>
          {user !== undefined && <span class="muted who">{user}</span>}
          {logOut && (
            <button type="button" class="small" onClick={logOut}>
              Log out
            </button>
          )}
        </div>
      </header>
      <main id="main" tabIndex={-1} ref={main}>
        {children}
      </main>
    </>
  );
}
