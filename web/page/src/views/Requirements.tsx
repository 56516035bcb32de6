import type { Requirement } from '../../../shared/api.ts';
import { count } from '../format.ts';

/** What the machine asks of hardware, against what the inspection found. */
export function Requirements({ requirements }: { readonly requirements: readonly Requirement[] }) {
  if (requirements.length === 0) return <p class="muted">None: any host fits.</p>;
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">What</th>
          <th scope="col">Requested</th>
          <th scope="col">Found</th>
          <th scope="col">
            <span class="sr">Verdict</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {requirements.map(({ name, unit, asked, found }) => (
          <tr key={name}>
            <td>{name}</td>
            <td class="nowrap">
              ≥ {count(asked)} {unit}
            </td>
            <td class="nowrap">{found === undefined ? 'no report yet' : `${count(found)} ${unit}`}</td>
            <td class={found === undefined ? 'muted' : found >= asked ? 'met' : 'unmet'}>
              {found === undefined ? '' : found >= asked ? 'met' : 'not met'}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
