// What can be wrong with a service class as a whole.
import { isServiceName, serviceNameRule } from '#framework/topology'
import type { DeclarationProblem } from './declaration-error.js'
import type { Class } from './records.js'

/** A class that has to be a service, and is not. */
export function undecorated(ctor: Class): DeclarationProblem {
  return {
    code: 'SERVICE_NOT_DECORATED',
    message: `${ctor.name} is not decorated with @Service()`,
    hint: 'put @Service() above the class; a class that inherits from a service needs one of its own',
  }
}

/** A name that a service cannot have. */
export function unnamed(name: string): readonly DeclarationProblem[] {
  if (isServiceName(name)) return []
  return [
    {
      code: 'SERVICE_NAME_INVALID',
      message: `${JSON.stringify(name)} cannot name a service: it takes ${serviceNameRule}`,
      hint: "name it: @Service({ name: 'Matcher' })",
    },
  ]
}
