import { useEffect, useMemo, useState } from 'preact/hooks';
import type { HostRow, MachineRow, ObjectName, Session } from '../../shared/api.ts';
import { Shell } from './components/Shell.tsx';
import { Live, useLive, type Fleet } from './data/live.ts';
import { post, read, setCsrfToken, whenLoggedOut } from './data/request.ts';
import { useRoute, type Route } from './router.ts';
import { FailuresView } from './views/Failures.tsx';
import { FleetView } from './views/Fleet.tsx';
import { HostView } from './views/Host.tsx';
import { LogInView } from './views/LogIn.tsx';
import { MachinesView } from './views/Machines.tsx';
import { MachineView } from './views/Machine.tsx';

type Door =
  | { readonly kind: 'asking' }
  | { readonly kind: 'closed'; readonly notice: string }
  | { readonly kind: 'open'; readonly session: Session }
  | { readonly kind: 'failed'; readonly message: string };

/** The page: whom it lets in, then the view of the address. */
export function App() {
  const [door, setDoor] = useState<Door>({ kind: 'asking' });
  useEffect(() => {
    const enter = (session: Session) => {
      setCsrfToken(session.csrfToken);
      const isOpen = !session.isLoginRequired || session.user !== undefined;
      setDoor(isOpen ? { kind: 'open', session } : { kind: 'closed', notice: '' });
    };
    const ask = () =>
      void read<Session>('api/session').then(enter, (error: Error) => {
        setDoor({ kind: 'failed', message: error.message });
      });
    whenLoggedOut(() => {
      // The form reports a rejected log-in; this is a session that ended.
      setDoor((old) =>
        old.kind === 'open' ? { kind: 'closed', notice: 'Your session has ended. Log in again.' } : old,
      );
    });
    ask();
  }, []);
  if (door.kind === 'asking') return null;
  if (door.kind === 'failed')
    return (
      <main class="login">
        <div class="card stack">
          <h1>Beskar7</h1>
          <p class="note bad" role="alert">
            {door.message}
          </p>
          <button type="button" onClick={() => location.reload()}>
            Try again
          </button>
        </div>
      </main>
    );
  if (door.kind === 'closed')
    return (
      <LogInView
        notice={door.notice}
        done={(session) => {
          setCsrfToken(session.csrfToken);
          setDoor({ kind: 'open', session });
        }}
      />
    );
  return <Inside session={door.session} leave={(notice = '') => setDoor({ kind: 'closed', notice })} />;
}

function Inside({ session, leave }: { readonly session: Session; readonly leave: (notice?: string) => void }) {
  const live = useMemo(() => new Live(), []);
  const { fleet, link } = useLive(live);
  const route = useRoute();
  useEffect(() => {
    live.open();
    return () => live.close();
  }, [live]);
  useEffect(() => {
    // A stream that is refused may mean that the session has ended: the session's own address tells.
    if (link === 'lost')
      read<Session>('api/session').then(
        (now) => {
          if (now.isLoginRequired && now.user === undefined) leave();
          else setCsrfToken(now.csrfToken);
        },
        () => {},
      );
  }, [link]);
  const logOut = () => {
    live.close();
    void post('api/logout').then(
      () => leave(),
      () =>
        leave(
          'The log-out did not reach the server: this browser is still logged in. Reload the page and log out again.',
        ),
    );
  };
  useEffect(() => {
    document.title = titleOf(route);
  }, [route]);
  return (
    <Shell at={menuOf(route)} link={link} user={session.user} logOut={session.isLoginRequired ? logOut : undefined}>
      <View route={route} fleet={fleet} />
    </Shell>
  );
}

function View({ route, fleet }: { readonly route: Route; readonly fleet: Fleet }) {
  switch (route.view) {
    case 'fleet':
      return <FleetView fleet={fleet} search={route.search} />;
    case 'machines':
      return <MachinesView fleet={fleet} search={route.search} />;
    case 'host': {
      const { namespace, name } = route;
      return (
        <HostView key={`${namespace}/${name}`} namespace={namespace} name={name} version={find(fleet.hosts, route)} />
      );
    }
    case 'machine': {
      const { namespace, name } = route;
      const machine = find<MachineRow>(fleet.machines, route);
      const host = machine?.host && find<HostRow>(fleet.hosts, machine.host);
      return (
        <MachineView
          key={`${namespace}/${name}`}
          namespace={namespace}
          name={name}
          version={JSON.stringify([machine, host])}
        />
      );
    }
    case 'failures':
      return <FailuresView version={fleet.machines.filter((row) => row.phase === 'Failed').length} />;
    case 'unknown':
      return (
        <div class="card">
          <h1>There is nothing at {route.path}</h1>
          <p>
            <a href="#/hosts">To the fleet</a>
          </p>
        </div>
      );
  }
}

function find<Row extends ObjectName>(rows: readonly Row[], { namespace, name }: ObjectName): Row | undefined {
  return rows.find((row) => row.name === name && row.namespace === namespace);
}

function menuOf({ view }: Route): 'fleet' | 'machines' | 'failures' | '' {
  if (view === 'host') return 'fleet';
  if (view === 'machine') return 'machines';
  return view === 'unknown' ? '' : view;
}

function titleOf(route: Route): string {
  switch (route.view) {
    case 'fleet':
      return 'Fleet · Beskar7';
    case 'machines':
      return 'Machines · Beskar7';
    case 'failures':
      return 'Failures · Beskar7';
    case 'host':
    case 'machine':
      return `${route.name} · Beskar7`;
    case 'unknown':
      return 'Beskar7';
  }
}
