import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

interface Props {
  readonly title: string;
  /** What will happen, in full sentences. */
  readonly children: ComponentChildren;
  /** The text of the button that does it. */
  readonly verb: string;
  readonly isDangerous?: boolean;
  /** A reason that the person must write; its label. */
  readonly reasonLabel?: string;
  /** Does it; what it throws is shown, and the dialog stays. */
  readonly act: (reason: string) => Promise<void>;
  readonly close: () => void;
}

/** A modal question that says what will happen before it happens. */
export function Confirm({ title, children, verb, isDangerous, reasonLabel, act, close }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [reason, setReason] = useState('');
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState('');
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setError('');
    try {
      await act(reason.trim());
      close();
    } catch (problem) {
      setError((problem as Error).message);
      setBusy(false);
    }
  };
  return (
    <dialog ref={dialog} aria-labelledby="confirm-title" onClose={close}>
      <form onSubmit={(event) => void submit(event)}>
        <h2 id="confirm-title">{title}</h2>
        <div class="prose">{children}</div>
        {reasonLabel && (
          <label class="field">
            <span>{reasonLabel}</span>
            <input
              name="reason"
              required
              maxLength={256}
              autocomplete="off"
              value={reason}
              onInput={(event) => setReason(event.currentTarget.value)}
            />
          </label>
        )}
        {error && (
          <p class="note bad" role="alert">
            {error}
          </p>
        )}
        <div class="buttons">
          <button type="button" onClick={close} disabled={isBusy}>
            Leave it
          </button>
          <button type="submit" class={isDangerous ? 'danger' : 'primary'} disabled={isBusy}>
            {isBusy ? 'Asking …' : verb}
          </button>
        </div>
      </form>
    </dialog>
  );
}
