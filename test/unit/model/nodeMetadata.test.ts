import { describe, expect, test } from '@jest/globals';
import { nodeLabels, nodeMetadata } from '../../../model/nodeMetadata.ts';
import { host } from '../controllers/builders.ts';

const ZONE = 'topology.kubernetes.io/zone';
const REGION = 'topology.kubernetes.io/region';
const labelled = (labels: Record<string, string>) => host({ metadata: { labels } });

describe('labels that a Node gets from its host', () => {
  test('zone and region, and those of the prefixes that were asked for', () => {
    const labels = {
      [ZONE]: 'a',
      [REGION]: 'eu',
      'rack.example.com/row': '7',
      'rack.example.com/empty': '',
      'rack.example.com.evil/row': '8',
      'beskar7.io/role': 'worker',
      plain: 'x',
    };
    expect(nodeLabels(labelled(labels), [])).toEqual({ text: `${REGION}=eu,${ZONE}=a`, leftOff: 0 });
    expect(nodeLabels(labelled(labels), ['rack.example.com', 'beskar7.io'])).toEqual({
      text: `beskar7.io/role=worker,rack.example.com/empty=,rack.example.com/row=7,${REGION}=eu,${ZONE}=a`,
      leftOff: 0,
    });
    expect(nodeLabels(host(), ['rack.example.com'])).toEqual({ text: '', leftOff: 0 });
  });

  test('more than fit into one argument are left off and counted; zone and region stay', () => {
    const many = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`a.example/${i}`, 'v'.repeat(63)]));
    const { text, leftOff } = nodeLabels(labelled({ ...many, [ZONE]: 'z', [REGION]: 'r' }), ['a.example']);
    expect(text.length).toBeLessThanOrEqual(4096);
    expect(leftOff).toBe(202 - text.split(',').length);
    expect(text).toContain(`${REGION}=r,${ZONE}=z`);
  });
});

test('meta-data has zone and region where the host has them, and always the labels', () => {
  const of = (labels: Record<string, string>) => nodeMetadata(labelled(labels), nodeLabels(labelled(labels), []));
  expect(of({})).toEqual({ node_labels: '' });
  expect(of({ [ZONE]: 'a', [REGION]: 'eu' })).toEqual({
    failure_domain: 'a',
    region: 'eu',
    node_labels: `${REGION}=eu,${ZONE}=a`,
  });
});
