import { useState } from 'preact/hooks';
import type { Action, ActionResult, ObjectName } from '../../../shared/api.ts';
import { post } from '../data/request.ts';
import { Confirm } from './Confirm.tsx';

const WORDS = {
  retry: { button: 'Retry', title: 'Provision again?', verb: 'Retry', isDangerous: false },
  cancel: { button: 'Cancel', title: 'Cancel this provisioning?', verb: 'Cancel the provisioning', isDangerous: true },
  'force-release': {
    button: 'Force release',
    title: 'Force the release of this host?',
    verb: 'Force the release',
    isDangerous: true,
  },
} as const;

interface Props {
  readonly actions: readonly Action[];
  readonly of: 'hosts' | 'machines';
  readonly object: ObjectName;
  /** Called after the server took an action. */
  readonly done: () => void;
}

/**
 * Buttons for what can be done now. Each asks first, and says what will happen. One that makes no sense now says why
 * when it is pressed: a disabled one could not be reached by keyboard.
 */
export function Actions({ actions, of, object, done }: Props) {
  const [asked, setAsked] = useState<Action | null>(null);
  const [said, setSaid] = useState('');
  const isRefusal = actions.some(({ refusal }) => refusal === said);
  const act = async (kind: Action['kind'], reason: string) => {
    const path = `api/${of}/${encodeURIComponent(object.namespace)}/${encodeURIComponent(object.name)}/${kind}`;
    const result = await post<ActionResult>(path, reason ? { reason } : {});
    setSaid(result.message);
    done();
  };
  return (
    <>
      <div class="end">
        {actions.map((action) => (
          <button
            type="button"
            key={action.kind}
            class={WORDS[action.kind].isDangerous ? 'danger' : 'primary'}
            aria-disabled={action.refusal !== undefined}
            title={action.refusal}
            onClick={() => (action.refusal === undefined ? setAsked(action) : setSaid(action.refusal))}
          >
            {WORDS[action.kind].button}
          </button>
        ))}
      </div>
      {said && (
        <p class={`note said ${isRefusal ? 'warn' : 'good'}`} role="status">
          {said}
        </p>
      )}
      {asked && (
        <Confirm
          title={WORDS[asked.kind].title}
          verb={WORDS[asked.kind].verb}
          isDangerous={WORDS[asked.kind].isDangerous}
          {...(asked.kind === 'force-release' ? { reasonLabel: 'Why it is safe: who looked, and saw what' } : {})}
          act={(reason) => act(asked.kind, reason)}
          close={() => setAsked(null)}
        >
          <p>
            <code>
              {object.namespace}/{object.name}
            </code>
          </p>
          <ul>
            {asked.consequences.map((sentence) => (
              <li key={sentence}>{sentence}</li>
            ))}
          </ul>
        </Confirm>
      )}
    </>
  );
}
