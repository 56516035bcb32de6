import { Argument, Command, Option } from 'commander';
import { SHELLS, type Shell } from './shells.ts';
import type { DoctorFlags } from './commands/doctor.ts';
import type { ExportFlags } from './commands/export.ts';
import type { ListFlags } from './commands/lists.ts';
import type { ReportFlags } from './commands/report.ts';
import type { SteerFlags } from './commands/steer.ts';
import type { TraceFlags } from './commands/trace.ts';
import { EXIT, type ExitCode } from './exit.ts';
import type { Io } from './io.ts';
import { format, globalOptions, nonEmpty, wholeNumber } from './options.ts';
import { DATA_FORMATS, LIST_FORMATS } from './output.ts';
import { Session, type Flags } from './session.ts';

/** What a command does; its code, when it is not `ok`. */
type Work<O> = (session: Session, words: readonly string[], options: O) => Promise<ExitCode | void>;

const EXIT_CODES = `
Exit codes: 0 ok, 1 error, 2 wrong usage, 3 not found, 4 refused (nothing was done), 5 not allowed, 6 not reachable.`;

/** All commands. `told` is called with the exit code of the one that ran. */
export function program(io: Io, version: string, told: (code: ExitCode) => void): Command {
  const root = new Command('kubectl-beskar7')
    .description(
      'Inspect and control bare metal that Beskar7 provisions. Runs as `kubectl beskar7` when it is on the PATH.',
    )
    .version(version, '--version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => io.out(text),
      writeErr: (text) => io.tell(text.trimEnd()),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .showSuggestionAfterError()
    .showHelpAfterError('(see --help)')
    .addHelpText('after', EXIT_CODES)
    .exitOverride();
  for (const option of globalOptions()) root.addOption(option);

  const work =
    <O>(run: Work<O>) =>
    async (...given: unknown[]): Promise<void> => {
      const command = given.at(-1) as Command;
      const session = new Session(io, command.optsWithGlobals<Flags>());
      try {
        told(
          (await run(
            session,
            command.processedArgs.flat().filter((word) => typeof word === 'string'),
            command.opts() as O,
          )) ?? EXIT.ok,
        );
      } finally {
        await session.close();
      }
    };
  addLists(root, work);
  addViews(root, work);
  addSteering(root, work);
  addHelpForPeople(root, work);
  addCompletion(root, io, told);
  return root;
}

type Wrap = <O>(run: Work<O>) => (...given: unknown[]) => Promise<void>;

function addLists(root: Command, work: Wrap): void {
  const list = (name: string, alias: string, description: string, only: Option) =>
    root
      .command(name)
      .alias(alias)
      .description(description)
      .addOption(new Option('-A, --all-namespaces', 'of all namespaces'))
      .addOption(new Option('-l, --selector <labels>', 'with these labels, e.g. rack=r1,zone!=b').argParser(nonEmpty))
      .addOption(only)
      .addOption(new Option('--reason <list>', 'with one of these reasons, comma separated').argParser(nonEmpty))
      .addOption(new Option('-w, --watch', 'keep running and print each change'))
      .addOption(format(LIST_FORMATS))
      .addOption(new Option('--no-headers', 'without the line of headers'));
  list(
    'hosts',
    'host',
    'List PhysicalHosts.',
    new Option('--state <list>', 'in one of these states, comma separated').argParser(nonEmpty),
  ).action(
    work(async (session, _words, options: ListFlags & { state?: string }) => {
      const { listHosts } = await import('./commands/lists.ts');
      const { state, ...rest } = options;
      await listHosts(session, { ...rest, ...(state === undefined ? {} : { only: state }) });
    }),
  );
  list(
    'machines',
    'machine',
    'List Beskar7Machines.',
    new Option('--phase <list>', 'in one of these phases, comma separated').argParser(nonEmpty),
  ).action(
    work(async (session, _words, options: ListFlags & { phase?: string }) => {
      const { listMachines } = await import('./commands/lists.ts');
      const { phase, ...rest } = options;
      await listMachines(session, { ...rest, ...(phase === undefined ? {} : { only: phase }) });
    }),
  );
}

function addViews(root: Command, work: Wrap): void {
  root
    .command('explain <machine|host>')
    .description('Explain why it is in its state, what happens next and when, and what you can do.')
    .addOption(format(DATA_FORMATS))
    .action(
      work(async (session, [text = ''], { output }: { output: (typeof DATA_FORMATS)[number] }) => {
        const { explain } = await import('./commands/explain.ts');
        await explain(session, text, output);
      }),
    );
  root
    .command('trace <machine|host>')
    .description('Show the steps of the newest run, with their durations, failures and retries. Times are UTC.')
    .addOption(new Option('-f, --follow', 'live, until the run is over; ends with 1 when it did not succeed'))
    .addOption(new Option('--run <id>', 'the id of an earlier run').argParser(nonEmpty))
    .addOption(new Option('--bmc', 'with the requests to the BMC, as the activities told them when they ended'))
    .addOption(format(DATA_FORMATS))
    .action(
      work(async (session, [text = ''], options: TraceFlags) => {
        const { trace } = await import('./commands/trace.ts');
        return trace(session, text, options);
      }),
    );
  root
    .command('report <host>')
    .description('Show what the inspection image found in a server.')
    .addOption(new Option('--back <number>', 'how many reports back').default(0).argParser(wholeNumber))
    .addOption(new Option('--diff', 'what changed since the report before').conflicts('list'))
    .addOption(new Option('--list', 'which reports there are'))
    .addOption(format(DATA_FORMATS))
    .action(
      work(async (session, [text = ''], options: ReportFlags) => {
        const { report } = await import('./commands/report.ts');
        await report(session, text, options);
      }),
    );
}

function addSteering(root: Command, work: Wrap): void {
  const yes = () => new Option('-y, --yes', 'do not ask; needed where there is no terminal');
  const output = () =>
    new Option('-o, --output <format>', 'of what is written').choices(['text', 'name']).default('text');
  root
    .command('retry <machine...>')
    .description('Provision failed machines again.')
    .addOption(output())
    .action(
      work(async (session, words, options: SteerFlags) => {
        const { retry } = await import('./commands/steer.ts');
        await retry(session, words, options);
      }),
    );
  root
    .command('cancel <machine...>')
    .description('Cancel the provisioning in flight; its server is powered off, and power-off is confirmed.')
    .addOption(new Option('--reason <text>', 'kept with the run').argParser(nonEmpty))
    .addOption(yes())
    .addOption(output())
    .action(
      work(async (session, words, options: SteerFlags & { reason?: string }) => {
        const { cancel } = await import('./commands/steer.ts');
        await cancel(session, words, options);
      }),
    );
  root
    .command('force-release <host>')
    .description('Free a host whose BMC will not answer again, without confirmed power-off.')
    .addOption(new Option('--reason <text>', 'why; kept in an event').makeOptionMandatory())
    .addOption(yes())
    .addOption(output())
    .action(
      work(async (session, [text = ''], options: SteerFlags & { reason: string }) => {
        const { forceRelease } = await import('./commands/steer.ts');
        await forceRelease(session, text, options);
      }),
    );
}

function addHelpForPeople(root: Command, work: Wrap): void {
  root
    .command('export <machine>')
    .description('Write machine, host, events and histories into one file that a maintainer can read and replay.')
    .addOption(
      new Option('--file <file>', 'default: <machine>.beskar7-export.json; - is standard output').argParser(nonEmpty),
    )
    .addOption(new Option('--runs <number>', 'how many of the newest provisionings').default(3).argParser(wholeNumber))
    .action(
      work(async (session, [text = ''], options: ExportFlags) => {
        const { exportMachine } = await import('./commands/export.ts');
        await exportMachine(session, text, options);
      }),
    );
  root
    .command('doctor')
    .description(
      'Check the prerequisites: kinds, rights, Temporal, workers, BMCs, listeners. Exits with 1 when one is bad.',
    )
    .addOption(
      new Option('--boot-url <url>', 'look at the boot listener, too, e.g. http://10.0.0.5:8083').argParser(nonEmpty),
    )
    .addOption(new Option('--callback-url <url>', 'and at the callback listener').argParser(nonEmpty))
    .addOption(format(DATA_FORMATS))
    .action(
      work(async (session, _words, options: DoctorFlags) => {
        const { doctor } = await import('./commands/doctor.ts');
        return doctor(session, options);
      }),
    );
}

/** `completion <shell>`, and what kubectl asks by `kubectl_complete-beskar7`. */
function addCompletion(root: Command, io: Io, told: (code: ExitCode) => void): void {
  root
    .command('completion')
    .addArgument(new Argument('<shell>').choices(SHELLS))
    .description(
      "Print the completion of a shell for kubectl-beskar7 itself; kubectl's own needs kubectl_complete-beskar7 on the PATH.",
    )
    .action(async (shell: Shell) => {
      const { completionScript } = await import('./completion.ts');
      io.out(completionScript(shell));
      told(EXIT.ok);
    });
  root
    .command('__complete [words...]', { hidden: true })
    .allowUnknownOption()
    .helpOption(false)
    .action(async (words: string[]) => {
      const { candidates, COMPLETION_MS } = await import('./completion.ts');
      const session = new Session(io, { ...flagsIn(root, words.slice(0, -1)), requestTimeout: COMPLETION_MS });
      try {
        io.out(await candidates(root, words, session));
      } finally {
        await session.close();
      }
      told(EXIT.ok);
    });
}

/** The flags of all commands in a line that is not whole yet; none when it makes no sense. */
function flagsIn(root: Command, words: readonly string[]): Partial<Flags> {
  const reader = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  for (const option of root.options) reader.addOption(option);
  try {
    reader.parseOptions([...words]);
  } catch {
    return {};
  }
  return reader.opts<Partial<Flags>>();
}
