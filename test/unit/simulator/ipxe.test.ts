import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { beskar7Parameters, parseScript, ScriptError } from '../../../simulator/ipxe.ts';

const settings = () => new Map([['net0/mac', '02:b7:00:00:00:01']]);

describe('parseScript', () => {
  test('a boot script gives kernel, arguments and initrd', () => {
    const text = '#!ipxe\nkernel http://b/vmlinuz quiet beskar7.host=h1\ninitrd http://b/initrd.img\nboot\n';
    expect(parseScript(text, settings())).toEqual({
      kind: 'boot',
      plan: { kernel: 'http://b/vmlinuz', args: ['quiet', 'beskar7.host=h1'], initrd: ['http://b/initrd.img'] },
    });
  });

  test('settings are replaced, and a chain goes on elsewhere', () => {
    const text = '#!ipxe\nset base http://b\nchain --autofree ${base}/x?mac=${net0/mac} || shell\n';
    expect(parseScript(text, settings())).toEqual({ kind: 'chain', url: 'http://b/x?mac=02:b7:00:00:00:01' });
  });

  test.each([
    ['no magic', 'kernel a\nboot\n'],
    ['no boot', '#!ipxe\nkernel a\n'],
    ['boot without kernel', '#!ipxe\nboot\n'],
    ['unknown command', '#!ipxe\nfrobnicate\n'],
    ['too large', `#!ipxe\n#${'x'.repeat(5_000)}\nboot\n`],
  ])('%s is refused', (_name, text) => {
    expect(() => parseScript(text, settings())).toThrow(ScriptError);
  });

  test('garbage gives a ScriptError or a plan, nothing else', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parseScript(`#!ipxe\n${text}`, settings());
        } catch (error) {
          expect(error).toBeInstanceOf(ScriptError);
        }
      }),
    );
  });
});

test('beskar7Parameters takes the parameters of the contract off the command line', () => {
  const parameters = beskar7Parameters(['quiet', 'beskar7.api=http://a:1', 'beskar7.token=x=y', 'BOOTIF=01-02']);
  expect([...parameters]).toEqual([
    ['api', 'http://a:1'],
    ['token', 'x=y'],
  ]);
});
